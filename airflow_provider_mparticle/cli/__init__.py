"""The commands ``airflow mparticle ...``."""

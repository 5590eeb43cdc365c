"""The Airflow connection of type ``mparticle``: its form, and its reader."""

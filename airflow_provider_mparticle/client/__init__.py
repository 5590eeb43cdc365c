"""The mParticle client: knows HTTP and mParticle, knows nothing of Airflow."""

"""The mParticle API: calls, protocol, and two drivers that move bytes. Knows nothing of Airflow."""

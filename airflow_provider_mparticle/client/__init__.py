"""The client of the mParticle API: calls, protocol, and two drivers that send the bytes. Must not know Airflow."""

"""Apache Airflow provider for mParticle Warehouse Sync."""

__version__ = "0.1.0"

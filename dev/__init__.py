"""Contains the trials on a real Airflow, and the tools for documentation and releases, which the Makefile runs."""

"""Handles a workspace as a document: checks, compares, plans and applies it. Must not know Airflow."""

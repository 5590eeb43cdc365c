"""Cuts history into slices, and syncs them one by one: bounds, sizes, SQL, lock on the data model. No Airflow here."""

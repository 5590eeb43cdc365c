"""History in slices: bounds, sizes, SQL, and which task may write the data model. Knows nothing of Airflow."""

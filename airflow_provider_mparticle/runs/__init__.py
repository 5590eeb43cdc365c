"""Starting exactly one run of a pipeline, waiting for it, evaluating how it ended. Knows nothing of Airflow."""

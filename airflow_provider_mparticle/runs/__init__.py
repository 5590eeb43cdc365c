"""
Starts exactly one run of a pipeline, waits for it, and evaluates how it ended.

Its modules must not know Airflow, and do no I/O: they yield the steps that they need (`steps`), and a driver carries
them out.
"""

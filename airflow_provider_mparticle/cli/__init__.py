"""The commands ``airflow mparticle ...``: parse the arguments, run a command, print the result."""

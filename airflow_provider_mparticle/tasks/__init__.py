"""What a task does once a worker runs it; `operators` and `sensors` declare tasks, and load this only then."""

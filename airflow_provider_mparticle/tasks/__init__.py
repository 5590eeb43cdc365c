"""The work of the operators. Operators declare tasks, and import these modules only when a worker runs a task."""

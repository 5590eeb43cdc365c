"""What a worker does for an operator. Operators declare tasks, and load this only when a worker runs them."""

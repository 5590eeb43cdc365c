"""What other systems are told about runs: metrics."""

"""What this package reports to monitoring systems: metrics."""

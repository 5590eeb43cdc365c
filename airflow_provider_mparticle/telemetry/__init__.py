"""What this package reports to other systems: metrics, and lineage to OpenLineage."""

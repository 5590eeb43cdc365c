"""Our provider and its peers, measured side by side by the same rules. ``make bench`` runs all of it."""

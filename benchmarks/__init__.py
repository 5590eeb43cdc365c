"""Measures our provider and its peers with the same rules. ``make bench`` runs all measurements."""

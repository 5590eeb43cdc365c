"""Runs in the triggerer's event loop: one shared client, and shared polling for all waiting tasks."""

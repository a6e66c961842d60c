"""Notifiers: each message about a run is told once."""

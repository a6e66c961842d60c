"""Tells the world outside what happened: kept durably, delivered at least once, never in the way of a run."""

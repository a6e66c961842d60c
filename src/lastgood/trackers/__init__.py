"""Trackers: each run becomes one thing (an issue, a task, a page) that is found again by its mark."""

"""Hosts of git: what they know beside git itself. One module per kind."""

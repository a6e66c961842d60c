"""Probes: one look at a service's health. One file per kind."""

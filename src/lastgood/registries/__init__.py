"""Registries: whether an image can be had, and under which digest. One file per kind."""

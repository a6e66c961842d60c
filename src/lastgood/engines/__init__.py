"""Engines switch what runs. One file per kind; files that begin with `_` are what kinds share."""

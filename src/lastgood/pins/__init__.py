"""Pins: the places in a deploy repo that say which image runs. One file per kind; `_`-files are shared parts."""

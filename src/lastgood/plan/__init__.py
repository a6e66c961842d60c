"""Decides, purely: no I/O, no clock, no randomness. Observed in; a plan, the next move or a verdict out."""

"""lastgood takes production back to its last good release, proves that it did, and leaves a record."""

__version__ = "0.1.0"

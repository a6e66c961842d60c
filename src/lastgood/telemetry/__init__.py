"""What watches a service from outside, one file per kind; only read, never changed."""

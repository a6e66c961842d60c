"""`lastgood.yaml` as typed values; every error names its place in the file."""

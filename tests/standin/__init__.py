"""A whole small world in memory and one folder: lastgood runs in it unchanged, and can be killed anywhere."""

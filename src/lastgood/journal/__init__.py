"""The journal: what was intended and done, durably, and what it adds up to."""

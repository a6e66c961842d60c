"""User flows: how what customers have to be able to do is tried, one module each kind."""

"""Asks everything at once, in threads; what does not answer is Unknown with its reason."""

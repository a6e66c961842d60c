"""The shop: a small application, whose releases the sandbox ships and lastgood takes back."""

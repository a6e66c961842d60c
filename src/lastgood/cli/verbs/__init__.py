"""One file per verb; each has `command`, loaded only when it is called."""

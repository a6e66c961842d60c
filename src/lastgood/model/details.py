"""What the details of a finished step are called by, for those who read them in the record."""

from typing import Final

FLOWS: Final = "flows"
"""Of a proof: the user flows that worked."""

UNTRIED: Final = "untried"
"""Of a proof: the user flows that could not be tried, and why."""

NEW: Final = "new"
"""Of watching logs: how many kinds of error messages are new."""

UNREAD: Final = "unread"
"""Of watching logs: why they could not be read, or not to the end."""

UNPURGED: Final = "unpurged"
"""Of a purge: why the CDN did not accept it."""

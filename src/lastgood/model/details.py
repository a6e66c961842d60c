"""What the details of a finished step are called by, for those who read them in the record."""

from typing import Final

FLOWS: Final = "flows"
"""Of a proof: the user flows that worked."""

UNTRIED: Final = "untried"
"""Of a proof: the user flows that could not be tried, and why."""

NEW: Final = "new"
"""Of watching logs: how many kinds of error messages are new."""

BEFORE: Final = "before"
"""Of watching logs: who knows what the release showed before: its log, this machine, hosts by name; or `NOBODY`."""

NOBODY: Final = "unknown"
"""Who knows it where nobody does."""

HOSTS_ALONE: Final = "hosts-alone"
"""Of watching logs: how many kinds of error messages count as known because hosts say so, and by nothing else."""

UNREAD: Final = "unread"
"""Of watching logs: why they could not be read, or not to the end."""

UNPURGED: Final = "unpurged"
"""Of a purge: why the CDN did not accept it."""

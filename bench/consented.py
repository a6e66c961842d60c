"""Runs lastgood and writes down when consent was given: `python consented.py FILE ARGUMENT...`.

Consent ends and the run begins where `run.executor.start` is called; nothing else is changed.
"""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lastgood.__main__ import main
from lastgood.run import executor

if TYPE_CHECKING:
    from lastgood.model.event import RunEnded

_start = executor.start
_file = Path(sys.argv.pop(1))


def _noted(*args: Any, **kwargs: Any) -> "RunEnded":  # noqa: ANN401 - handed on as they are
    _file.write_text(str(time.time_ns()))
    return _start(*args, **kwargs)


executor.start = _noted
main()

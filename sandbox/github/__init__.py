"""A stand-in for GitHub over a real bare repository; all that it is asked and answers is checked by GitHub's schemas.

`with server.GitHub(bare) as hub:` serves at `hub.url`; leaving fails where a request was not one that GitHub describes.
"""

from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).parent

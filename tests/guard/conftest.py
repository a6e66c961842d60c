from pathlib import Path

import pytest
from guardworld import Deploy


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    return Deploy(tmp_path)

import shutil
import tempfile
from pathlib import Path

import pytest


@pytest.fixture(scope="module")
def open_dir():
    """A folder that PostgreSQL's system user may pass through: pytest closes its own ones to everybody but root."""
    folder = Path(tempfile.mkdtemp(prefix="agent-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)

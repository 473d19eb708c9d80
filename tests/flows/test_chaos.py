"""The short form of `bench/chaos`: kills and faults while people write and approve, and nothing is lost or doubled.

The long one is run by hand, see docs/reliability.md. A seed repeats what is drawn, not the timing; times are printed
there and held by nobody here, for a test may run on a busy machine.
"""

import subprocess
import sys

import pytest

from agent_site import embedded_postgres
from agent_site.trial import BASE_DIR
from common.errors import AgentError

LIMIT_SECONDS = 300.0
"""It takes less than a minute on a quiet machine."""


@pytest.fixture
def embedded():
    try:
        embedded_postgres.program("postgres")
    except AgentError as error:
        pytest.skip(f"it needs the embedded PostgreSQL, which it kills or shares: {error}")


def held(*command: str) -> None:
    done = subprocess.run(
        [sys.executable, *command], cwd=BASE_DIR, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-9000:]}\n{done.stderr[-3000:]}"


def test_nothing_is_lost_or_doubled_whatever_dies(embedded):
    held("bench/chaos", "--short", "--times-told", "--tell")

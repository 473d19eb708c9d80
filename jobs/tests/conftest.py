"""What several test modules of this app need: with bubblewrap or without, and a job at work."""

import pytest

from jobs.models import Job
from tests.cast import classified
from tools import sandbox


@pytest.fixture
def bubblewrap():
    if not sandbox.available():
        pytest.skip("bubblewrap does not work here: install it (apt-get install bubblewrap) to run this test")


@pytest.fixture
def no_bubblewrap(monkeypatch):
    caches = [each for each in vars(sandbox).values() if hasattr(each, "cache_clear")]
    with monkeypatch.context() as patched:
        patched.setattr("shutil.which", lambda *args, **kwargs: None)
        for cache in caches:
            cache.cache_clear()
        yield
    for cache in caches:
        cache.cache_clear()


@pytest.fixture
def approve(owner, hear, work, press, brain):
    """A job whose plan is approved and whose run waits for a worker; the arguments change its classification."""

    def approved(text="Do this", **changes):
        brain.classification = classified(**changes)
        job = hear(owner, text).job
        work()
        press()
        return Job.objects.get(pk=job.pk)

    return approved

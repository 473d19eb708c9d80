"""How full this machine is: CPU, memory, disk, in percent; and what a process takes of it."""

import shutil
import sys
import time
from pathlib import Path

import psutil
from django.conf import settings

REFRESH_SECONDS = 30.0
SPAN_SECONDS = 180.0
"""CPU is averaged over about so long: a short burst is no news."""


class Usage:
    """Kept by a process that lives long, for CPU is the work between two looks."""

    def __init__(self) -> None:
        psutil.cpu_percent()
        self._at = time.monotonic()
        self._cpu: float | None = None
        self.shown: dict[str, float] = {}

    def look(self) -> dict[str, float]:
        """Percent by name, at most half a minute old; empty before the first half minute is over."""
        passed = time.monotonic() - self._at
        if passed >= REFRESH_SECONDS:
            self._at = time.monotonic()
            self.shown = {"cpu": self._average(psutil.cpu_percent(), passed), "memory": _memory(), "disk": _disk()}
        return self.shown

    def _average(self, fresh: float, passed: float) -> float:
        share = min(1.0, passed / SPAN_SECONDS)
        self._cpu = fresh if self._cpu is None else self._cpu + share * (fresh - self._cpu)
        return round(self._cpu, 1)


def _memory() -> float:
    """Also of the container, where it has a limit of its own (cgroup v2)."""
    found: float = psutil.virtual_memory().percent
    try:
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        stat = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return round(max(found, 100 * (used - int(stat["inactive_file"])) / limit), 1)
    except (OSError, ValueError, KeyError):  # there is none, or no limit ("max")
        return found


def _disk() -> float:
    """The fuller one of those that hold the data and the workspace."""
    found = []
    for folder in {settings.DATA_DIR, settings.WORKSPACE_DIR}:
        if folder.exists():
            usage = shutil.disk_usage(folder)
            found.append(100 * usage.used / (usage.used + usage.free or 1))
    return round(max(found, default=0.0), 1)


def memory_mb(pid: int) -> dict[str, float]:
    """PSS and RSS of a process in MB (10^6 bytes), PSS where the kernel tells it; empty when it is gone."""
    try:
        found = {"rss": round(psutil.Process(pid).memory_info().rss / 1e6, 1)}
        if sys.platform == "linux":
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            found["pss"] = round(
                next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6, 1
            )
        return found
    except (psutil.Error, OSError, StopIteration):
        return {}

"""On what the figures were taken: without it no two of them can be compared."""

import os
import platform
import subprocess
from pathlib import Path

import psutil

from agent_site import embedded_postgres


def machine() -> str:
    """Cores, memory, versions and the load before we began; and a warning where others use the machine."""
    cores, gib = len(os.sched_getaffinity(0)), psutil.virtual_memory().total / 2**30
    busy = (
        "\nThe machine is busy with something else: these figures say little." if os.getloadavg()[0] > cores / 2 else ""
    )
    return (
        f"{_processor()}, {cores} cores, {gib:.0f} GB, {platform.system()} {platform.release()}, load "
        f"{os.getloadavg()[0]:.2f}\nPython {platform.python_version()}, {postgres_version()}{busy}"
    )


def postgres_version() -> str:
    """Of the embedded server, which every bench uses."""
    done = subprocess.run(
        [embedded_postgres.program("postgres"), "--version"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip().replace("(PostgreSQL) ", "").replace("postgres", "PostgreSQL")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()

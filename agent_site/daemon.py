"""`./run start|stop|restart|status`: the same `manage.py up` in the background, found by the lock on its pid file."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from agent_site import log_files
from agent_site.env import BASE_DIR, folder
from agent_site.logs import FILE_VARIABLE
from common.errors import AgentError

START_SECONDS = 120
STOP_SECONDS = 30
PAUSE = 0.05


class NotStarted(AgentError):
    """It did not start."""


def pid_of(data_dir: Path) -> int | None:
    """The process of the running instance; None when nobody holds the lock."""
    try:
        file = open(data_dir / "agent.pid")  # noqa: SIM115
    except OSError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or None
    return None


def start(data_dir: Path) -> str:
    """Starts it and waits until it is ready, showing what it says. Raises NotStarted."""
    if pid := pid_of(data_dir):
        return f"It is running already (process {pid})."
    log = data_dir / "log" / "agent.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log_files.rotate(log)
    with open(log, "ab") as output:
        offset = output.tell()
        command = [sys.executable, str(BASE_DIR / "manage.py"), "up"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd=BASE_DIR,
            env={**os.environ, FILE_VARIABLE: str(log)},
        )
    deadline = time.monotonic() + START_SECONDS
    with open(log) as lines:
        lines.seek(offset)
        while time.monotonic() < deadline:
            if line := lines.readline():
                print(line, end="", flush=True)
                if line.startswith("ready: "):
                    return f"It runs in the background (process {process.pid}); its log is {log}."
            elif process.poll() is not None:
                raise NotStarted
            else:
                time.sleep(PAUSE)
    raise NotStarted(f"It is not ready after {START_SECONDS} s, but goes on trying; its log is {log}.")


def stop(data_dir: Path) -> str:
    """Asks it to stop and waits until it has."""
    pid = pid_of(data_dir)
    if pid is None:
        return "It is not running."
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while pid_of(data_dir) is not None:
        if time.monotonic() > deadline:
            raise NotStarted(f"It does not stop (process {pid}); its log in {data_dir / 'log'} says why.")
        time.sleep(PAUSE)
    return "Stopped."


def status(data_dir: Path) -> str:
    """One line for a person. Raises NotStarted when it is not running, so that scripts see it in the exit code."""
    pid = pid_of(data_dir)
    if pid is None:
        raise NotStarted("It is not running.")
    return f"It is running (process {pid})."


def main(word: str) -> str:
    data_dir = folder("DATA_DIR", Path("var"))
    if word == "restart":
        print(stop(data_dir), flush=True)
        return start(data_dir)
    return {"start": start, "stop": stop, "status": status}[word](data_dir)


if __name__ == "__main__":
    try:
        print(main(sys.argv[1]))
    except AgentError as problem:
        sys.exit(str(problem))

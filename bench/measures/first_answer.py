"""From a clone that has never been started to the first answer, with the time of the download apart."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from agent_site.trial import BASE_DIR, BLANK, free_port
from bench.support.figures import Report

LIMIT_SECONDS = 40.0
READY_SECONDS = 600.0
QUESTION = "what is the uptime of this machine?"
INSTALLED = "Preparing the database"


class Lines:
    """What a process prints, each line with the time at which it came."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[tuple[float, str]] = []
        self._came = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._came:
                self.lines.append((time.monotonic(), line.rstrip()))
                self._came.notify_all()
        with self._came:
            self._came.notify_all()

    def wait_for(self, text: str, timeout: float) -> float:
        """When a line with `text` came. Raises TimeoutError with what was printed instead."""

        def found() -> float:
            return next((at for at, line in self.lines if text in line), 0.0)

        with self._came:
            at = self._came.wait_for(lambda: found() or self.process.poll() is not None, timeout)
            if not found():
                told = "\n".join(line for _, line in self.lines[-15:])
                raise TimeoutError(f"“{text}” was not printed ({'ended' if at else 'still running'}):\n{told}")
            return found()


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/first_answer", description=__doc__)
    parser.add_argument("--tree", action="store_true", help="copy the working tree, with what is not committed")
    given = parser.parse_args()
    report = Report("From clone to first answer")
    with tempfile.TemporaryDirectory(prefix="agent-clone-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)  # the database's own user must get through
        began = time.monotonic()
        clone = Path(folder, "clone")
        copy_tree(clone) if given.tree else clone_head(clone)
        cloned = time.monotonic()
        report.say(f"  {cloned - began:6.1f} s  {'copied the working tree' if given.tree else 'cloned'}")
        run(report, clone, before=cloned - began)
    return report.end()


def clone_head(to: Path) -> None:
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(BASE_DIR), str(to)], check=True)


def copy_tree(to: Path) -> None:
    """The files that a commit of everything would hold."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=BASE_DIR, capture_output=True, text=True, check=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (BASE_DIR / name).is_file():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(BASE_DIR / name, to / name)


def run(report: Report, clone: Path, *, before: float) -> None:
    """./run, and the question in a terminal; `before` are the seconds that the clone took."""
    environment = fresh_environment(clone)
    began = time.monotonic()
    process = subprocess.Popen(
        ["./run"],
        cwd=clone,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    try:
        lines = Lines(process)
        installed = lines.wait_for(INSTALLED, READY_SECONDS)
        ready = lines.wait_for("ready:", READY_SECONDS)
        report.say(f"  {installed - began:6.1f} s  .venv made, packages downloaded and installed (apart)")
        report.say(f"  {ready - installed:6.1f} s  database made, migrated, everything started: ready")
        answered = ask(report, clone, environment)
        report.say(f"  {answered - ready:6.1f} s  asked, approved, answered")
        report.at_most("all but download and installation", before + answered - installed, LIMIT_SECONDS, "s")
    finally:
        end(process)


def ask(report: Report, clone: Path, environment: dict[str, str]) -> float:
    """Asks in a terminal and says OK; when the answer was there."""
    done = subprocess.run(
        [".venv/bin/python", "manage.py", "chat", "--yes", QUESTION],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    at = time.monotonic()
    report.must(
        "the answer holds the uptime", "load average" in done.stdout, f"manage.py chat ended with {done.returncode}"
    )
    for line in (done.stdout + done.stderr).strip().splitlines()[-12:]:
        report.say(f"          | {line}")
    return at


def fresh_environment(clone: Path) -> dict[str, str]:
    """As of somebody who has set nothing; this bench's own Python must not be found in it."""
    ours = str(Path(sys.executable).parent)
    path = os.pathsep.join(folder for folder in os.environ["PATH"].split(os.pathsep) if folder != ours)
    kept = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "DATA_DIR", "PYTHONPATH")}
    return {**kept, **dict.fromkeys(BLANK, ""), "PATH": path, "PORT": str(free_port()), "DATA_DIR": str(clone / "var")}


def end(process: "subprocess.Popen[str]") -> None:
    """As Ctrl-C does; kills what does not end."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

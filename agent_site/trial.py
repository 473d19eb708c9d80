"""A whole product in a folder of its own, for the demo and the benchmarks: nothing of the real one is touched."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType

from common.errors import AgentError

BASE_DIR = Path(__file__).resolve().parent.parent
READY_SECONDS = 60.0
STOP_SECONDS = 30.0
# Whatever stands in the owner's .env must not reach a trial: an empty value counts as not set.
BLANK = (
    *("DATABASE_URL", "SECRET_KEY", "PUBLIC_URL", "ALLOWED_HOSTS", "ADMIN_PASSWORD", "WORKSPACE_DIR", "BIND"),
    "HOST_ID",
    *("TELEGRAM_BOT_TOKEN", "TELEGRAM_API_URL", "TELEGRAM_MODE", "TELEGRAM_WEBHOOK_SECRET", "MASTER_CHAT_IDS"),
    *("ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HAIKU_API_KEY", "ANTHROPIC_BASE_URL", "HAIKU_MODEL"),
    *(
        "CLAUDE_MODEL",
        "APPROVAL_POLICY",
        "APPROVAL_TIMEOUT_SECONDS",
        "STANDING_PERMISSION_DAYS",
        "MESSAGE_HISTORY_LIMIT",
        "TIME_ZONE",
    ),
    *("SILENCE_MINUTES", "STALE_NOTICE_MINUTES", "INTERRUPTED_WORK_HOURS"),
    *("TRASH_MAX_MB", "SNAPSHOT_MAX_MB", "TOOL_DENY_OVERRIDES", "TOOL_READABLE_DIRS"),
    *("PROACTIVE_DAILY_TOKEN_LIMIT", "DAILY_COST_LIMIT_USD", "TELEGRAM_RATE_LIMITS"),
    *("MONITORING_TOKEN", "DEAD_MAN_URL"),
)


class TrialFailed(AgentError):
    """The trial instance did not start."""


def free_port() -> int:
    """A loopback port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Trial:
    """`with Trial(TELEGRAM_API_URL=…) as trial:` runs `manage.py up` until the block ends; settings by keyword."""

    def __init__(self, **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="agent-trial-", ignore_cleanup_errors=True)
        self.folder = Path(self._folder.name)
        self.folder.chmod(0o755)  # the database's own user must get through
        self.port = free_port()
        self.environment = {
            **os.environ,
            **dict.fromkeys(BLANK, ""),
            "DATA_DIR": str(self.folder / "var"),
            "PORT": str(self.port),
            **settings,
        }
        self.log = self.folder / "log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Trial":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.remove()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its manage.py commands."""
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=BASE_DIR,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def start(self) -> None:
        """Start it and wait until /health is green. Raises TrialFailed with what it printed."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "up"],
                cwd=BASE_DIR,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + READY_SECONDS
        while not self._is_ready():
            if self.process.poll() is not None or time.monotonic() > until:
                self.stop()
                raise TrialFailed(f"The trial instance did not start:\n{self.log.read_text(errors='replace')[-3000:]}")
            time.sleep(0.1)

    def stop(self) -> None:
        """End it as `./run stop` does; kill what does not end."""
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None

    def remove(self) -> None:
        """Remove its folder with all that it kept."""
        self._folder.cleanup()

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

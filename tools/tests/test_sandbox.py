"""Real bubblewrap: what a command can reach, read and leave behind at each level."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tools import sandbox
from tools.confinement import bubblewrap, network, process
from tools.confinement.process import Finished, Limits
from tools.sandbox import Level

CONFINED = (Level.READ, Level.WORKSPACE, Level.NET)
Run = Callable[..., Finished]


@pytest.fixture
def run(workspace: Path) -> Run:
    def run(command: str, level: Level, *, whole_disk: bool = False) -> Finished:
        argv = sandbox.command_line(command, level=level, workspace=workspace, seconds=20, whole_disk=whole_disk)
        return process.run(
            argv,
            cwd=workspace,
            env=sandbox.environment(workspace),
            stop=lambda: False,
            limits=Limits(seconds=20),
            on_process=lambda pid, started: None,
        )

    return run


@pytest.fixture
def bystander() -> Iterator[psutil.Process]:
    """A process of the same user outside, with a secret in its environment."""
    with subprocess.Popen(
        ["sleep", "60"], env={"SECRET_OF_THE_SERVICE": "hunter2", "PATH": os.environ["PATH"]}
    ) as process:
        while "SECRET_OF_THE_SERVICE" not in psutil.Process(process.pid).environ():
            pass  # until it has become sleep, it has the environment of the test
        yield psutil.Process(process.pid)
        process.kill()


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("level", CONFINED)
def test_the_environments_of_other_processes_can_not_be_read(level: Level, run: Run, bystander: psutil.Process) -> None:
    assert bystander.environ()["SECRET_OF_THE_SERVICE"] == "hunter2"
    found = run(f"cat /proc/{bystander.pid}/environ; ls -l /proc/{bystander.pid}/cwd; cat /proc/*/environ", level)
    assert "hunter2" not in found.output
    assert "cannot" in found.output or "denied" in found.output or "No such" in found.output


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to become nobody")
@pytest.mark.usefixtures("bubblewrap")
def test_nor_when_the_service_is_no_root() -> None:
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    with subprocess.Popen([*nobody, "sleep", "60"], env={"SECRET": "hunter2", "PATH": os.environ["PATH"]}) as other:
        reader = ["cat", f"/proc/{other.pid}/environ"]
        # Until setpriv has become sleep, the process is still root's.
        while psutil.Process(other.pid).name() != "sleep":
            pass
        seen_outside = subprocess.run([*nobody, *reader], capture_output=True, text=True)
        argv = sandbox.command_line(" ".join(reader), level=Level.READ, workspace=Path("/usr"), seconds=5)
        seen_inside = subprocess.run([*nobody, *argv], capture_output=True, text=True, cwd="/")
        other.kill()
    assert "hunter2" in seen_outside.stdout
    assert "hunter2" not in seen_inside.stdout
    assert "denied" in seen_inside.stderr


@pytest.mark.usefixtures("bubblewrap")
def test_the_read_level_shows_the_real_machine(run: Run) -> None:
    seen = run("ps -e -o pid=; cat /proc/uptime", Level.READ).output
    assert str(os.getpid()) in seen.split()
    assert "/" in run("df -h | tail -n +2", Level.READ, whole_disk=True).output


@pytest.mark.usefixtures("bubblewrap")
def test_the_read_level_writes_nowhere(run: Run, workspace: Path) -> None:
    (workspace / "kept").write_text("before")
    run("echo x > kept; touch new; rm kept; touch /usr/x; echo x > /proc/sys/kernel/domainname", Level.READ)
    assert [path.name for path in workspace.iterdir()] == ["kept"]
    assert (workspace / "kept").read_text() == "before"


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("level", [Level.WORKSPACE, Level.NET])
def test_the_other_levels_write_in_the_workspace_only(level: Level, run: Run, workspace: Path, tmp_path: Path) -> None:
    run(f"echo x > made; touch {tmp_path}/outside /usr/outside", level)
    assert (workspace / "made").read_text() == "x\n"
    assert not (tmp_path / "outside").exists()
    assert not Path("/usr/outside").exists()


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("level", CONFINED)
def test_the_product_s_data_and_keys_are_not_there(level: Level, run: Run, workspace: Path) -> None:
    (workspace.parent / "secret_key").write_text("hunter2")
    seen = run(
        f"cat {workspace.parent}/secret_key /etc/shadow ~/../secret_key; ls {workspace.parent} /root /run", level
    )
    assert "hunter2" not in seen.output
    assert "root:" not in seen.output.replace("/root:", "")


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("level", [Level.READ, Level.WORKSPACE])
def test_there_is_no_network_below_the_net_level(level: Level, run: Run) -> None:
    assert run("ls /sys/class/net > /dev/null; cat /proc/self/net/route | wc -l", level).output.strip() in ("0", "1")
    assert run("exec 3<>/dev/tcp/1.1.1.1/53", level).exit_code != 0


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("level", CONFINED)
def test_a_command_sees_no_variables_but_the_few(level: Level, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "hunter2")
    names = {line.split("=")[0] for line in run("env", level).output.splitlines()}
    own = {Level.READ: {"PROC_ROOT", *bubblewrap.GIT_READS}, Level.NET: set(network.variables())}
    assert names <= {"PATH", "HOME", "LANG", "TERM", "TZ", "PWD", "SHLVL", "_", "OLDPWD"} | own.get(level, set())


def test_without_bubblewrap_the_environment_is_scrubbed_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "hunter2")
    assert "hunter2" not in run("env", Level.HOST).output


@pytest.mark.parametrize("level", [*CONFINED, Level.HOST])
def test_the_exit_code_comes_through(level: Level, run: Run, request: pytest.FixtureRequest) -> None:
    if level is not Level.HOST:
        request.getfixturevalue("bubblewrap")
    assert run("exit 7", level).exit_code == 7


@pytest.mark.usefixtures("bubblewrap")
@pytest.mark.parametrize("level", CONFINED)
def test_no_new_user_namespace_can_be_made_inside(level: Level, run: Run) -> None:
    assert run("unshare --user true", level).exit_code != 0


def test_the_launcher_is_a_program_of_its_own() -> None:
    done = subprocess.run(
        [*sandbox._launched({"way": "host"}), "/bin/echo", "hello"],
        capture_output=True,
        text=True,
    )
    assert done.stdout == "hello\n"


@pytest.mark.usefixtures("bubblewrap")
def test_what_may_be_read_is_shown_without_what_is_secret_in_it(run: Run) -> None:
    for command in ("cat /etc/passwd", "ls /var/log", "dpkg -l bash"):
        assert run(command, Level.READ).exit_code == 0, command
    assert "root:" not in run("cat /etc/shadow", Level.READ).output
    assert run("ls /etc/ssl/private", Level.READ).output.strip() == ""


@pytest.mark.usefixtures("bubblewrap")
def test_git_runs_nothing_that_a_repository_names(run: Run) -> None:
    command = "git config --get core.fsmonitor; git config --get core.hooksPath; echo $GIT_ALLOW_PROTOCOL"
    assert run(command, Level.READ).output.split() == ["false", "/dev/null", "none"]

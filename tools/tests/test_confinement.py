"""What a hostile command gets of this machine: nothing, by bubblewrap at each confined level, and by Landlock too."""

import contextlib
import os
import shlex
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tools import sandbox
from tools.confinement import landlock, masks, process
from tools.confinement.process import Ending, Finished, Limits
from tools.sandbox import Level
from tools.tests.conftest import processes_with

# The layer and the level; Landlock knows no level net.
WAYS = [
    *(("bubblewrap", level) for level in (Level.READ, Level.WORKSPACE, Level.NET)),
    *(("no_bubblewrap", level) for level in (Level.READ, Level.WORKSPACE)),
]
PYTHON = "/usr/bin/python3"
Run = Callable[..., Finished]


@pytest.fixture(params=WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def way(request: pytest.FixtureRequest) -> Level:
    layer, level = request.param
    if layer == "no_bubblewrap" and not landlock.version():
        pytest.skip("this kernel has no Landlock: Linux 5.13 or later is needed to run this test")
    request.getfixturevalue(layer)
    return Level(level)


@pytest.fixture
def run(workspace: Path) -> Run:
    def run(command: str, level: Level, **limits: Any) -> Finished:
        argv = sandbox.command_line(command, level=level, workspace=workspace, seconds=20)
        return process.run(
            argv,
            cwd=workspace,
            env=sandbox.environment(workspace),
            stop=lambda: False,
            limits=Limits(**({"seconds": 20} | limits)),
            on_process=lambda pid, started: None,
        )

    return run


@pytest.fixture
def python(run: Run) -> Run:
    """Runs lines of Python inside; what they print."""
    if not os.path.exists(PYTHON):
        pytest.skip(f"{PYTHON} is needed inside to run this test")
    return lambda code, level: run(f"{PYTHON} -I -S -c {shlex.quote(code)}", level)


@pytest.fixture
def service() -> Iterator[psutil.Process]:
    """Plays a process of the product: the same user, a secret in its environment and in its memory."""
    with subprocess.Popen(["sleep", "60"], env={"SECRET": "hunter2", "PATH": os.environ["PATH"]}) as process:
        while "SECRET" not in psutil.Process(process.pid).environ():
            pass  # until it has become sleep, it has the environment of the test
        yield psutil.Process(process.pid)
        process.kill()


@contextlib.contextmanager
def listening(family: int, address: Any) -> Iterator[socket.socket]:
    """A service that tells its secret to whoever comes."""
    with socket.socket(family) as server:
        server.bind(address)
        server.listen()

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = server.accept()
                    with client:
                        client.sendall(b"HTTP/1.0 200 OK\r\n\r\nhunter2")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_no_port_of_this_machine_is_reached(way: Level, run: Run, python: Run) -> None:
    with listening(socket.AF_INET, ("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as client:
            assert b"hunter2" in client.recv(100)
        hosts = "127.0.0.1 localhost 2130706433 [::ffff:127.0.0.1] 0.0.0.0"
        each_way = (
            f"for how in '' '--noproxy *' '-x http://127.0.0.1:3128 -p'; do for host in {hosts}; do {{}}; done; done"
        )
        curl = f'curl -sS -m 3 -g $how "http://$host:{port}/" 2>&1'
        found = run(f"set -f; IFS=' '; {each_way.format(curl)}; echo end", way)
        assert found.output.endswith("end\n")
        assert "hunter2" not in found.output
        code = f"import socket; print(socket.create_connection(('127.0.0.1', {port}), 2).recv(100))"
        found = python(code, way)
    assert found.exit_code != 0
    assert "hunter2" not in found.output


@pytest.mark.skipif(not shutil.which("psql", path="/usr/bin"), reason="psql is needed to run this test")
def test_psql_reaches_no_database(way: Level, run: Run) -> None:
    from django.db import connection

    wanted = connection.settings_dict
    for host in (wanted["HOST"] or "/run/postgresql", "/var/run/postgresql", "127.0.0.1", "localhost"):
        found = run(f"psql -h {shlex.quote(str(host))} -U postgres -c 'SELECT 41 + 1'", way)
        assert found.exit_code != 0
        assert "42" not in found.output


def test_no_path_socket_of_another_service_is_reached(
    way: Level, python: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # /tmp is covered as a whole; without that a socket there is like one anywhere else on the disk.
    monkeypatch.setattr(masks, "FOLDERS", tuple(name for name in masks.FOLDERS if name != "/tmp"))
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(0o755) if folder.owner() == Path.home().owner() and folder != Path("/tmp") else None
    path = tmp_path / "service.sock"
    with listening(socket.AF_UNIX, str(path)):
        found = python(f"import socket; s = socket.socket(1); s.connect({str(path)!r}); print(s.recv(100))", way)
    assert found.exit_code != 0
    assert "hunter2" not in found.output


def test_no_abstract_socket_is_reached(way: Level, python: Run) -> None:
    name = f"\0service-{os.getpid()}-{way}"
    with listening(socket.AF_UNIX, name):
        found = python(f"import socket; s = socket.socket(1); s.connect({name!r}); print(s.recv(100))", way)
    assert found.exit_code != 0
    assert "hunter2" not in found.output


def test_the_sockets_that_own_the_machine_are_not_there(way: Level, run: Run) -> None:
    wanted = (
        "/run/docker.sock /var/run/docker.sock /run/dbus/system_bus_socket /run/systemd/private /run/systemd/notify"
    )
    assert run(f"for each in {wanted}; do test -S $each && echo found $each; done; true", way).output == ""
    assert run("systemctl restart nginx", way).exit_code != 0


def test_nothing_of_the_product_s_processes_is_read(way: Level, run: Run, service: psutil.Process) -> None:
    assert service.environ()["SECRET"] == "hunter2"
    for pid in (service.pid, os.getpid()):
        for_each = "for name in environ mem maps auxv fd/1 cwd root exe; do {}; done"
        read = f"head -c 4096 /proc/{pid}/$name || readlink /proc/{pid}/$name"
        assert run(f"{{ {for_each.format(read)}; }} 2> /dev/null | wc -c", way).output == "0\n"
    assert "hunter2" not in run("cat /proc/*/environ /proc/*/task/*/environ 2>&1", way).output


def test_no_process_outside_is_traced_or_killed(way: Level, python: Run, service: psutil.Process) -> None:
    code = f"""
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
for request in (16, 0x4206):
    print("traced" if libc.ptrace(request, {service.pid}, None, None) == 0 else "no")
buffer = ctypes.create_string_buffer(8)
class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
mine, theirs = Piece(ctypes.addressof(buffer), 8), Piece(0x400000, 8)
print("read" if libc.process_vm_readv({service.pid}, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0) > 0 else "no")
try:
    os.kill({service.pid}, 9)
    print("killed")
except OSError:
    print("no")
"""
    assert python(code, way).output == "no\nno\nno\nno\n"
    assert service.status() != psutil.STATUS_ZOMBIE


def test_no_device_of_the_machine_is_opened(way: Level, run: Run) -> None:
    disks = [f"/dev/{name}" for name in os.listdir("/sys/class/block")]
    wanted = " ".join((*disks, "/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun"))
    assert run(f"for device in {wanted}; do head -c 1 $device; done 2> /dev/null | wc -c", way).output == "0\n"
    assert run("head -c 1 /dev/zero | wc -c", way).output == "1\n"


def test_keys_and_the_product_s_own_files_stay_closed(way: Level, run: Run, workspace: Path) -> None:
    (workspace.parent / "secret-key").write_text("hunter2")
    found = run(f"cat {workspace.parent}/secret-key; cat /etc/shadow /root/.ssh/id_rsa; ls {workspace.parent}/..", way)
    assert "hunter2" not in found.output
    assert "root:" not in found.output
    if way is Level.READ:
        run("touch made", way)
        assert list(workspace.iterdir()) == []


def test_landlock_lets_the_workspace_be_written_and_nothing_else(
    no_bubblewrap: None, run: Run, workspace: Path, tmp_path: Path
) -> None:
    if not landlock.version():
        pytest.skip("this kernel has no Landlock")
    found = run(f"echo x > made; touch {tmp_path}/outside /tmp/outside /usr/outside; cat made; uptime", Level.WORKSPACE)
    assert found.output.splitlines()[-2] == "x"
    assert "load average" in found.output
    assert not (tmp_path / "outside").exists()
    assert not Path("/tmp/outside").exists()


def test_without_bubblewrap_there_is_no_level_net(no_bubblewrap: None, run: Run) -> None:
    with pytest.raises(sandbox.NoFilteredNetwork, match="bubblewrap"):
        run("true", Level.NET)


def test_a_fork_bomb_is_ended_and_leaves_nothing(bubblewrap: None, run: Run) -> None:
    found = run("bomb() { bomb | bomb & }; bomb; sleep 20 # a fork bomb", Level.WORKSPACE)
    assert found.ending is Ending.PROCESSES
    assert not psutil.wait_procs(processes_with("a fork bomb"), timeout=20)[1]


@pytest.mark.skipif(os.getuid() != 0 or not shutil.which("setpriv"), reason="needs root and setpriv to become nobody")
def test_for_a_service_that_is_not_root_the_system_counts_processes(bubblewrap: None) -> None:
    command = "for i in $(seq 600); do sleep 5 & done 2>&1 | grep -m1 fork"
    argv = sandbox.command_line(command, level=Level.WORKSPACE, workspace=Path("/usr"), seconds=9)
    nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
    done = subprocess.run([*nobody, *argv], capture_output=True, text=True, cwd="/")
    assert "Resource temporarily unavailable" in done.stdout


def test_a_memory_hog_is_ended(bubblewrap: None, python: Run) -> None:
    found = python("held = []\nwhile True: held.append(b'x' * 50_000_000)", Level.WORKSPACE)
    assert "MemoryError" in found.output or found.ending is Ending.MEMORY


def test_a_file_without_end_is_ended(bubblewrap: None, run: Run, workspace: Path) -> None:
    found = run("fallocate -l 10G big || head -c 10G /dev/zero > big", Level.WORKSPACE)
    assert found.exit_code != 0
    assert (workspace / "big").stat().st_size <= 1024**3
    (workspace / "big").unlink()


def test_files_in_memory_are_bounded(bubblewrap: None, run: Run) -> None:
    for folder in ("/tmp", "/dev/shm", "/run", "/var/tmp"):
        assert "No space left" in run(f"head -c 300M /dev/zero > {folder}/big", Level.WORKSPACE).output, folder


def test_a_service_that_makes_itself_a_daemon_outlives_its_host_command(run: Run) -> None:
    found = run("setsid sleep 54321 > /dev/null & sleep 54322 > /dev/null & sleep 0.2; echo $!", Level.HOST)
    left = [*processes_with("sleep 54321"), *processes_with("sleep 54322")]
    for each in left:
        each.kill()
    assert found.exit_code == 0
    assert len(left) == 1

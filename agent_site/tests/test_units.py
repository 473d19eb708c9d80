"""The files for systemd and launchd, read by the tools that will read them."""

import configparser
import plistlib
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from agent_site import units
from agent_site.env import BASE_DIR
from agent_site.units import Place

PLACE = Place(folder=BASE_DIR, python=Path(sys.executable), data_dir=BASE_DIR / "var", user="root")
BREAKS_BUBBLEWRAP = {
    *("RestrictNamespaces", "SystemCallFilter", "ProtectKernelTunables", "ProtectKernelLogs", "ProtectHostname"),
    *("ProtectProc", "ProcSubset", "RootDirectory", "PrivateUsers"),
}


def directives(text):
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str
    parser.read_string(text)
    return parser


def test_systemd_accepts_the_unit(tmp_path):
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    path = tmp_path / "server-agent.service"
    path.write_text(units.systemd_unit(PLACE))
    done = subprocess.run(["systemd-analyze", "verify", str(path)], capture_output=True, text=True, check=False)
    if "Failed to" in done.stderr and "server-agent" not in done.stderr:
        pytest.skip(f"systemd-analyze does not work here: {done.stderr.strip()}")
    assert "server-agent" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr


def test_the_unit_restarts_watches_and_drains():
    service = directives(units.systemd_unit(PLACE))["Service"]
    expected = {"Type": "notify", "Restart": "always", "WatchdogSec": "60", "KillMode": "mixed", "TimeoutStopSec": "30"}
    assert expected.items() <= dict(service).items()
    assert service["ExecStart"] == f'"{sys.executable}" "{BASE_DIR}/manage.py" up'
    assert service["EnvironmentFile"].startswith("-/")
    assert not BREAKS_BUBBLEWRAP & set(service)


def test_a_path_with_signs_that_systemd_reads_is_escaped():
    odd = Place(folder=Path('/srv/my "50%" $agent'), python=Path("/usr/bin/python3"), data_dir=Path("/srv"), user="u")
    service = directives(units.systemd_unit(odd))["Service"]
    assert service["ExecStart"] == '"/usr/bin/python3" "/srv/my \\"50%%\\" $$agent/manage.py" up'
    assert service["WorkingDirectory"] == '/srv/my "50%%" $agent'


def test_launchd_gets_a_plist_that_keeps_it_alive():
    entries = plistlib.loads(units.launchd_plist(PLACE).encode())
    assert entries["KeepAlive"] is entries["RunAtLoad"] is True
    assert entries["WorkingDirectory"] == str(BASE_DIR)
    assert entries["ProgramArguments"] == [sys.executable, str(BASE_DIR / "manage.py"), "up"]
    assert entries["StandardErrorPath"] == str(BASE_DIR / "var/log/agent.log")


@pytest.mark.parametrize(("kind", "name"), [("systemd", "server-agent.service"), ("launchd", "org.server-agent.plist")])
def test_the_command_prints_or_writes(kind, name, tmp_path, capsys):
    call_command("write_units", kind=kind)
    printed = capsys.readouterr().out
    call_command("write_units", kind=kind, to=tmp_path)
    assert (tmp_path / name).read_text() == printed
    assert name in capsys.readouterr().out


def test_a_user_may_be_named(capsys):
    call_command("write_units", "--user", "olga", kind="systemd")
    assert directives(capsys.readouterr().out)["Service"]["User"] == "olga"


def test_a_folder_that_is_not_there_is_said_in_a_sentence(tmp_path):
    with pytest.raises(CommandError, match="name another folder"):
        call_command("write_units", to=tmp_path / "nowhere")

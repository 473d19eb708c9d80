import sys
import threading

import psutil
import pytest
from django.core.management import call_command
from django.db import connections

from agent_site import warm


@pytest.mark.django_db(transaction=True)
def test_nothing_is_left_running_or_open_that_a_fork_would_copy():
    threads = threading.enumerate()
    sockets = psutil.Process().net_connections("all")
    warm.warm_up()
    assert threading.enumerate() == threads
    assert len(psutil.Process().net_connections("all")) <= len(sockets)
    assert connections["default"].connection is None
    assert {"anthropic", "telegram", "httpcore2", "h11"} <= set(sys.modules)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("command", "server"), [(["web"], "web.serve"), (["cluster", "work"], "clusters.Cluster.run")])
def test_a_server_alone_warms_up_first(monkeypatch, command, server):
    told = []
    monkeypatch.setattr("agent_site.warm.warm_up", lambda: told.append("warm"))
    monkeypatch.setattr(f"agent_site.{server}", lambda *_: told.append("served"))
    call_command(*command)
    assert told == ["warm", "served"]

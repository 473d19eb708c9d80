"""The two clusters, one a lane."""

import os
from contextlib import suppress
from typing import Any

from django.db import DatabaseError

from agent_site.machine import Usage
from agent_site.schedule import functions
from common import discovery, queue
from common.cluster import Cluster, ClusterSettings
from common.processes import introduce
from common.queue import Lane
from ops import heartbeats

WORKERS = {Lane.TALK: 2, Lane.WORK: 4}
TIME_LIMITS = {Lane.TALK: 90, Lane.WORK: 780}
"""Seconds a task. A work task holds one step of a run, and one model call may take 600 s."""


def run_cluster(lane: Lane) -> None:
    """Runs the cluster of a lane in this process until SIGTERM or SIGINT."""

    usage = Usage()

    def on_beat(progressed: bool, detail: dict[str, Any]) -> None:
        heartbeats.beat(f"cluster.{lane}", progressed=progressed, detail=detail | {"usage": usage.look()})

    introduce(f"cluster {lane}")
    discovery.load("tasks")
    queue.allow_scheduled(functions())
    Cluster(
        ClusterSettings(
            lane=lane.value,
            workers=WORKERS[lane],
            time_limit=TIME_LIMITS[lane],
            runs_schedule=lane is Lane.TALK,
            on_beat=on_beat,
        )
    ).run()
    with suppress(DatabaseError):  # in a container of its own nobody else says that this was meant
        heartbeats.rest([os.getpid()])

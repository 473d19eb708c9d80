"""How many webhook updates a second are stored and acknowledged, and what the database alone would do.

The limit is held against intake alone: the web server without the clusters. With the clusters working on what comes in
the same cores do both, and that figure is printed beside it.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from agent_site import embedded_postgres
from agent_site.trial import BASE_DIR, Trial
from bench.support import pgbench
from bench.support.figures import Report, spread
from bench.support.instance import complaints, configured, connect, cpu, people
from bench.support.outside import Model, Telegram
from bench.support.posting import Posted, post_all

CONNECTIONS, LEAST, P99_MS = 16, 300.0, 100.0
PATH, SECRET = "/webhook/telegram", {"X-Telegram-Bot-Api-Secret-Token": "bench-secret"}
FIRST_UPDATE = 500_000_000
PGBENCH_SECONDS = 5


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench/ingest", description=__doc__)
    parser.add_argument("--updates", type=int, default=4000)
    parser.add_argument("--chats", type=int, default=400)
    given = parser.parse_args()
    report = Report("Intake")
    report.say(f"{given.updates} text messages of {given.chats} chats by webhook, at {CONNECTIONS} connections\n")
    with alone(given.chats) as site:
        report.say("The web server alone")
        done = posted(report, site, given.updates, given.chats)
        rate = given.updates / done.seconds
        report.at_least("updates stored", rate, LEAST, "a second")
        report.at_most("p99", spread(done.milliseconds).p99, P99_MS, "ms")
        stored(report, site, done, given.updates)
        peer(report, site, rate)
    with whole(given.chats) as site:
        report.say("With the clusters at work on them (no limit for the rate)")
        done = posted(report, site, given.updates, given.chats)
        report.say(f"          {given.updates / done.seconds:.0f} a second")
        stored(report, site, done, given.updates)
    return report.end()


@dataclass(frozen=True, kw_only=True)
class Site:
    """A trial, the process that everything of it descends from, and a connection to its database."""

    trial: Trial
    top: int
    database: "psycopg.Connection[Any]"


def posted(report: Report, site: Site, count: int, chats: int) -> Posted:
    """Posts the updates and tells how long each took, and how much CPU."""
    before = cpu(site.trial, top=site.top)
    done = post(site.trial, updates(count, chats))
    used = cpu(site.trial, top=site.top) - before
    report.say(f"          ms: {spread(done.milliseconds)}")
    report.say(f"          CPU an update: {used.each(count)}")
    return done


@contextmanager
def alone(chats: int) -> Iterator[Site]:
    """A trial of which nothing runs but the web server and the database."""
    with ExitStack() as stack:
        trial = Trial()
        stack.callback(trial.remove)
        telegram = stack.enter_context(Telegram())
        configured(trial, telegram=telegram, model_url=telegram.url, masters=people(chats), webhook=True)
        stack.callback(embedded_postgres.stop, Path(trial.environment["DATA_DIR"]))
        done = trial.manage("migrate", "--verbosity", "0")
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
        with trial.log.open("ab") as log:
            web = subprocess.Popen(
                [sys.executable, "manage.py", "web"], cwd=BASE_DIR, env=trial.environment, stdout=log, stderr=log
            )
        stack.callback(web.wait, 15)
        stack.callback(web.terminate)
        until_served(trial)
        yield Site(trial=trial, top=web.pid, database=stack.enter_context(connect(trial)))


@contextmanager
def whole(chats: int) -> Iterator[Site]:
    """A trial with everything."""
    with Telegram() as telegram, Model() as model:
        trial = Trial(APPROVAL_POLICY="every_job", TELEGRAM_RATE_LIMITS="off")
        configured(trial, telegram=telegram, model_url=model.url, masters=people(chats), webhook=True)
        for chat in people(chats):
            telegram.call("open_chat", chat_id=chat)
        with trial, connect(trial) as database:
            until_served(trial)
            assert trial.process is not None
            yield Site(trial=trial, top=trial.process.pid, database=database)


def until_served(trial: Trial) -> None:
    """Until the webhook answers; an update that is no message is stored and asks for nothing."""
    end = time.monotonic() + 30
    while True:
        try:
            post(trial, iter([json.dumps({"update_id": 1, "bench": {}}).encode()]))
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def updates(count: int, chats: int) -> Iterator[bytes]:
    """Messages of all chats in turn, so that no chat has two on the way at once (Telegram never does that)."""
    for number in range(count):
        chat = people(chats)[number % chats]
        person = {"id": chat, "is_bot": False, "first_name": f"User {chat}", "language_code": "en"}
        message = {
            "message_id": number + 1,
            "from": person,
            "chat": {"id": chat, "first_name": person["first_name"], "type": "private"},
            "date": int(time.time()),
            "text": f"Message {number} of the intake bench, about as long as people's messages are.",
        }
        yield json.dumps({"update_id": FIRST_UPDATE + number, "message": message}).encode()


def post(trial: Trial, bodies: Iterator[bytes]) -> Posted:
    return post_all(port=trial.port, path=PATH, headers=SECRET, bodies=bodies, connections=CONNECTIONS)


def stored(report: Report, site: Site, done: Posted, wanted: int) -> None:
    """Every update that was posted has its row, and none has two; each made its message."""
    query = "SELECT update_id, state, message_id FROM telegram_bridge_telegramupdate WHERE update_id >= %s"
    rows = site.database.execute(query, [FIRST_UPDATE]).fetchall()
    lost = set(range(FIRST_UPDATE, FIRST_UPDATE + wanted)) - {row[0] for row in rows}
    handled = sum(row[1] == "handled" and row[2] is not None for row in rows)
    report.must("all acknowledged with 200", done.statuses == {200: wanted}, str(dict(done.statuses)))
    report.must("none lost", not lost and len(rows) == wanted, f"{len(lost)} lost")
    report.must("each with its message", handled == wanted, f"{handled} of {wanted}")
    for line in complaints(site.trial) if done.statuses != {200: wanted} else []:
        report.say(f"          its log: {line}")
    report.say()


def peer(report: Report, site: Site, rate: float) -> None:
    """The same inserts without us: what the database can do on this machine."""
    told = pgbench.run(site.trial, site.database, connections=CONNECTIONS, seconds=PGBENCH_SECONDS)
    report.say(f"pgbench with the same inserts at {CONNECTIONS} connections: {told:.0f} transactions a second")
    report.say(f"          intake is {rate / told:.2f} of that\n")

"""One message walked from arrival to answer, in a throw-away instance, each row and state printed as it changes."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from threading import Thread
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from agent_site.trial import BASE_DIR, Trial
from common.errors import AgentError
from common.text import shorten
from telegram_bridge.fake import FakeTelegram

OWNER = 1000
QUESTION = "what is the uptime of this machine?"
WATCHED = {
    "update": "SELECT id, kind || ' ' || update_id, state FROM telegram_bridge_telegramupdate",
    "message": "SELECT id, role || ': ' || text, '' FROM threads_message",
    "job event": "SELECT id, 'job ' || job_id || ': ' || reason, to_state FROM jobs_jobevent",
    "approval": "SELECT id, kind || ' for ' || subject || ', revision ' || revision, state FROM approvals_approval",
    "run": "SELECT id, job_ref, state FROM agents_run",
    "step": "SELECT id, 'run ' || run_id || ', number ' || number || ', ' || kind, '' FROM agents_step",
    "tool call": "SELECT id, name || ' ' || (arguments::text), state FROM tools_toolexecution",
    "delivery": "SELECT id, kind || ': ' || text, state FROM threads_delivery",
    "ledger": "SELECT id, purpose || ', ' || model || ', ' || input_tokens || ' in, ' || output_tokens || ' out, ' || "
    "COALESCE('$' || round(cost_usd, 6), 'cost unknown'), outcome FROM budget_ledgerentry",
}
INNER = "SERVER_AGENT_DEMO"
LIMIT_SECONDS = 20.0


class Command(BaseCommand):
    help = "Walk one message from arrival to answer against the shipped stand-ins; needs no key and no token."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if os.environ.get(INNER):
                self.watch()
            else:
                self.set_up()
        except AgentError as error:
            raise CommandError(str(error)) from None

    def set_up(self) -> None:
        """Start a Bot API stand-in and an instance; then run this command again with that instance's settings."""
        began = time.monotonic()
        with FakeTelegram() as telegram:
            telegram.open_chat(OWNER)
            self.say("A Bot API server and a model are played by stand-ins on this machine; nothing leaves it.")
            with Trial(
                TELEGRAM_API_URL=telegram.url, TELEGRAM_BOT_TOKEN=telegram.token, MASTER_CHAT_IDS=str(OWNER)
            ) as trial:
                self.say(f"An instance of its own is up at {trial.url} after {time.monotonic() - began:.1f} s.\n")
                self.telegram = telegram
                self.walk(trial)
        self.say(f"\nDone in {time.monotonic() - began:.1f} s, and everything of it is removed again.")

    def walk(self, trial: Trial) -> None:
        """The owner's part: he asks, presses OK, and reads the answer, while the watcher prints what the rows do."""
        watcher = subprocess.Popen(
            [sys.executable, str(BASE_DIR / "manage.py"), "demo"],
            env={**trial.environment, INNER: "1"},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert watcher.stdout is not None
        watcher.stdout.readline()  # it has seen the empty tables
        relay = Thread(target=self.relay, args=(watcher.stdout,))
        relay.start()
        self.say(f"The owner writes in Telegram: {QUESTION}\n")
        self.telegram.user_says(OWNER, QUESTION)
        card = self.telegram.wait_for_sent(1, chat_id=OWNER, timeout=LIMIT_SECONDS)[-1]
        self.telegram.user_presses(OWNER, card.message_id, label="OK")
        answer = self.telegram.wait_for_sent(2, chat_id=OWNER, timeout=LIMIT_SECONDS)[-1]
        relay.join()
        if watcher.wait():
            raise CommandError("The rows could not be watched to the end.")
        self.say(f"\nThe owner reads:\n{answer.text}")

    def relay(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.say(line.rstrip())

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def watch(self) -> None:
        """Print each row that is new or has changed, until the job has ended and its answer is out."""
        list(rows())
        self.say("watching")
        began, seen = time.monotonic(), dict[tuple[str, int], tuple[str, str]]()
        while time.monotonic() - began < LIMIT_SECONDS:
            ended = self.has_ended()
            for table, pk, text, state in rows():
                if seen.get((table, pk)) != (text, state):
                    seen[table, pk] = (text, state)
                    self.say(f"{time.monotonic() - began:6.2f} s  {table + ' ' + str(pk):12}  {state:18}  {text}")
            if ended:
                return
            time.sleep(0.005)
        raise CommandError(f"The demo did not end within {LIMIT_SECONDS:.0f} s.")

    def has_ended(self) -> bool:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT EXISTS (SELECT 1 FROM jobs_job WHERE state = 'done') AND NOT EXISTS "
                "(SELECT 1 FROM threads_delivery WHERE state <> 'sent')"
            )
            return bool(cursor.fetchone()[0])


def rows() -> Iterator[tuple[str, int, str, str]]:
    """Every watched row as it is now: table, key, one line of it, state."""
    with connection.cursor() as cursor:
        for table, query in WATCHED.items():
            cursor.execute(query + " ORDER BY id")
            for pk, text, state in cursor.fetchall():
                yield table, pk, shorten(text, 90), state

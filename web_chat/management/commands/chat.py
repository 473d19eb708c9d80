"""Talk to the agent in a terminal: `manage.py chat` line by line, `manage.py chat "what is the uptime?" --yes` once."""

import json
import re
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from approvals.models import Approval
from approvals.services import ASK, EDIT, NO, REFUSALS, SKIP, TALK
from common.errors import AgentError
from jobs.management.shell import operator
from jobs.models import Job
from jobs.services.kinds import WORD as KIND
from jobs.states import State
from llm.routing import is_demo
from web_chat.pulse import Pulse
from web_chat.terminal import Answer, Conversation, Show
from web_chat.timeline import Item

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""What a text could steer a terminal with."""
KEYS = {"y": "", "k": KIND, "n": NO, "s": SKIP, "c": EDIT, "a": ASK}
WORDS = {SKIP: "Why (optional): ", EDIT: "What to change: ", ASK: "Your question: "}
INTERRUPTED = 130


class Command(BaseCommand):
    help = "Talks to the agent: with a message once (exit code 0 when the job is done, else 1), without line by line."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("message", nargs="*")
        parser.add_argument("--user", default="", help="who talks; ADMIN_USERNAME unless given")
        answers = parser.add_mutually_exclusive_group()
        answers.add_argument("--yes", action="store_true", help="press OK on every card")
        answers.add_argument("--no", action="store_true", help="press Cancel on every card")
        parser.add_argument("--json", action="store_true", help="print one JSON object a line for each event")

    def handle(self, *args: Any, **options: Any) -> None:
        self.options = options
        self.asks = sys.stdin.isatty() and not options["json"]
        self.progress = sys.stderr.isatty() and not options["json"]
        show = Show(item=self.tell, state=self.tell_state, trouble=self.tell_trouble, ask=self.ask)
        conversation = Conversation(user=operator(options["user"]), show=show)
        try:
            if options["message"]:
                done = self.exchange(conversation, " ".join(options["message"]))
                sys.exit(0 if done else 1)
            self.converse(conversation)
        finally:
            conversation.close()

    def converse(self, conversation: Conversation) -> None:
        """Line by line until the end of the input."""
        if self.asks:
            demo = " This is the demo: no model key is set." if is_demo() else ""
            self.stdout.write(f"Server Agent. /help lists the commands, Ctrl-D ends.{demo}")
        while True:
            try:
                conversation.look()
                line = input("> " if self.asks else "")
            except EOFError:
                return
            except KeyboardInterrupt:
                self.stdout.write("")
                continue
            except AgentError as error:
                self.tell_trouble(str(error))
                continue
            if line.strip():
                self.exchange(conversation, line)

    def exchange(self, conversation: Conversation, text: str) -> bool:
        """One message and all that follows from it; whether it was answered well."""
        job: Job | None = None
        try:
            job = conversation.say(text)
            state = conversation.follow(job) if job is not None else State.DONE
        except AgentError as error:
            self.tell_trouble(str(error))
            return False
        except KeyboardInterrupt:
            number = job.pk if job else "NUMBER"
            self.tell_trouble(f"Job {number} goes on; `manage.py cancel {number}` stops it.")
            if self.options["message"]:
                sys.exit(INTERRUPTED)
            return False
        self.event("end", job=job.pk if job else None, state=str(state))
        return state == State.DONE

    def tell(self, item: Item, before: str) -> None:
        """Something that the agent said; of a text that only grew, people read what is new."""
        card = item.card if item.card and item.card.open else None
        if self.options["json"]:
            details = {"choices": [word for word, _ in card.choices], "kind": card.kind} if card else {}
            self.event(
                "card" if card else "edited" if before else "said",
                key=item.key,
                job=item.job,
                text=item.text,
                **details,
            )
        else:
            text = item.text.removeprefix(before) if before else item.text
            self.stdout.write(printable(text.strip()) + "\n")

    def tell_state(self, pulse: Pulse, lines: list[str]) -> None:
        """What is going on: an event for programs, a faint line for people."""
        if self.options["json"]:
            self.event("state", lines=lines, draft=pulse.draft)
        elif self.progress and lines:
            self.stderr.write(f"… {printable('; '.join(lines))}", style_func=lambda text: f"\x1b[2m{text}\x1b[0m")

    def tell_trouble(self, sentence: str) -> None:
        if self.options["json"]:
            self.event("error", text=sentence)
        else:
            self.stderr.write(sentence)

    def event(self, name: str, **fields: Any) -> None:
        if self.options["json"]:
            self.stdout.write(json.dumps({"event": name} | fields))
            self.stdout.flush()

    def ask(self, item: Item) -> Answer | None:
        """By the flags or by the reader; None where there is neither."""
        assert item.card is not None
        words = [word for word, _ in item.card.choices]
        approving = next(word for word in words if word not in REFUSALS)
        if item.card.kind != Approval.Kind.RETRY:  # a flag must not try again for ever
            if self.options["yes"]:
                return Answer(choice=approving)
            if self.options["no"]:
                return Answer(choice=NO)
        return self.ask_reader(item, approving) if self.asks else None

    def ask_reader(self, item: Item, approving: str) -> Answer | None:
        assert item.card is not None
        labels = dict(item.card.choices)
        offered = {key: word or approving for key, word in KEYS.items() if (word or approving) in labels}
        question = ", ".join(f"{key} {labels[word]}" for key, word in offered.items())
        while True:
            try:
                said = input(f"[{question}] ").strip().lower()[:1]
                if said in offered:
                    asked = WORDS.get(offered[said])
                    note = input(asked) if asked else ""
                    if offered[said] in TALK and not note.strip():
                        continue  # the card would wait for words, and the reader for its answer
                    return Answer(choice=offered[said], note=note)
            except EOFError:
                return None


def printable(text: str) -> str:
    """A text without the characters that steer a terminal."""
    return CONTROL.sub("", text)

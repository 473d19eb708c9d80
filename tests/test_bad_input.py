"""Bad input, each with a clear message and nothing else affected: rows that somebody damaged or an older version wrote,
a clock that jumps, a disk that is full, files that can't be read."""

import errno
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module

import pytest
from django.utils import timezone
from django_q.models import OrmQ

from agents.models import Run
from approvals.models import Approval
from approvals.services import approval_decide
from common import broker, lease, worker
from common.queue import Lane
from jobs.models import Job
from jobs.services.recover import sweep
from jobs.states import State
from llm.scripted import call_tool, say
from telegram_bridge.fake import FakeTelegram
from telegram_bridge.inbound import update_receive
from telegram_bridge.models import TelegramUpdate
from tests.cast import OWNER_ID, told
from threads import channels, outbox
from threads.models import Delivery, Person, Thread

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("model", "workspace")]


@pytest.fixture
def other(db) -> Person:
    return Person.objects.create(
        channel="web", external_id="1001", name="Otto", state=Person.State.ALLOWED, role=Person.Role.OWNER
    )


@pytest.fixture
def bot(settings):
    with FakeTelegram(allow_http=True) as fake:
        settings.TELEGRAM_BOT_TOKEN, settings.TELEGRAM_API_URL = fake.token, fake.url
        settings.MASTER_CHAT_IDS = [OWNER_ID]
        for chat in (OWNER_ID, OWNER_ID + 1):
            fake.open_chat(chat)
        yield fake


@pytest.fixture
def workers(work):
    """Plays workers as they are: a task that breaks is recorded in the log, and the next one is run."""
    broken: list[str] = []

    def run() -> list[str]:
        while True:
            try:
                work()
                return broken
            except Exception as error:
                assert len(broken) < 20, f"the workers never come to rest: {broken[-3:]}"
                broken.append(repr(error))

    return run


def agree(job: Job) -> None:
    card = Approval.objects.get(subject=job.ref, state=Approval.State.PENDING)
    approval_decide(approval_id=card.pk, revision=card.revision, choice=card.choices[0][0], actor="person:1", via="web")


@pytest.mark.parametrize("garbage", [["nonsense"], {"plan": 7, "commands": "rm -rf /"}, {"plan": None}, "text"])
def test_a_damaged_classification_does_no_harm(garbage, owner, other, hear, workers):
    damaged, sound = hear(owner, "Hello").job, hear(other, "Hello").job
    workers()
    Job.objects.filter(pk=damaged.pk).update(classification=garbage)
    agree(damaged)
    agree(sound)
    assert workers() == []
    assert set(Job.objects.values_list("state", flat=True)) == {State.DONE}


@pytest.mark.parametrize("opening", [{"version": 1}, ["Hello"], [{"role": "user"}], [{"role": "user", "content": 7}]])
def test_a_run_whose_opening_cannot_be_read_fails_in_words(opening, owner, other, hear, workers):
    damaged, sound = hear(owner, "Hello").job, hear(other, "Hello").job
    workers()
    agree(damaged)
    Run.objects.update(opening=opening)
    agree(sound)
    workers()
    sweep()
    workers()
    damaged.refresh_from_db()
    sound.refresh_from_db()
    assert sound.state == State.DONE
    assert damaged.state == State.FAILED, damaged.state
    assert "cannot be read" in told(damaged) or "rejected" in told(damaged), told(damaged)


@pytest.mark.parametrize("buttons", [{"ok": "OK"}, [["ok"]], [7], "OK", [["ok", "OK", "extra"]]])
def test_a_delivery_with_wrong_buttons_holds_up_nobody(buttons, bot):
    import_module("telegram_bridge.channel")
    damaged, sound = (Thread.objects.create(channel="telegram", address=str(OWNER_ID + number)) for number in range(2))
    card = Approval.objects.create(
        kind="plan", subject="job:1", title="Plan", revision=1, choices=[], expires_at=timezone.now()
    )
    Delivery.objects.create(thread=damaged, text="A card", buttons=buttons, approval_id=card.pk)
    Delivery.objects.create(thread=sound, text="An answer")
    with ThreadPoolExecutor(2) as pool:
        outbox.tick(channels.channel_of("telegram"), pool)
        outbox._carrier("telegram").drain()
    bot.wait_for_sent(1, chat_id=OWNER_ID + 1, contains="An answer", timeout=5)
    left = Delivery.objects.get(thread=damaged)
    assert left.state in (Delivery.State.FAILED, Delivery.State.SENT)
    assert left.error or left.state == Delivery.State.SENT


def test_a_package_of_an_older_version_is_recorded_and_the_next_one_runs(owner, hear, caplog):
    hear(owner, "Hello")
    broker.insert(Lane.TALK.value, "a package that nobody has signed")
    seen = []
    while OrmQ.objects.exists():
        claimed = broker.claim(Lane.TALK.value)
        assert claimed is not None
        package = worker.unpack(claimed[1])
        seen.append(bool(package))
        if not package:
            worker.record_failure(package, error="A queued package was not signed by this installation.", lane="talk")
        broker.acknowledge(claimed[0])
    assert seen == [True, False]
    assert "was not signed by this installation" in caplog.text


@pytest.mark.parametrize(
    "payload",
    [
        {"message": {"message_id": 1}},
        {"message": "text"},
        {"callback_query": {"id": "1", "from": {"id": OWNER_ID}, "data": "ok:1"}},
        {"message": {"message_id": 2, "date": "yesterday", "chat": {"id": OWNER_ID, "type": "private"}, "text": 7}},
        {"something_newer": {"a": 1}},
    ],
)
def test_an_update_in_another_versions_form_is_kept_and_acknowledged(payload, bot):
    update_receive({"update_id": 77, **payload})
    kept = TelegramUpdate.objects.get(update_id=77)
    assert kept.payload
    assert kept.error or kept.state != "failed"


@pytest.mark.parametrize("jump", [timedelta(days=-2), timedelta(hours=3)])
def test_a_clock_that_jumps_gives_nobody_anothers_lease(jump, owner, hear, work, press, monkeypatch):
    job = hear(owner, "Hello").job
    work()
    press()
    run = Run.objects.get()
    epoch = lease.claim(run)
    now = timezone.now
    monkeypatch.setattr(timezone, "now", lambda: now() + jump)
    with pytest.raises(lease.LeaseHeld):
        lease.claim(Run.objects.get())
    lease.fence(run, epoch)
    lease.release(run, epoch)
    work()
    sweep()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE


def test_a_file_tool_on_a_full_disk_tells_the_model(owner, hear, work, press, brain, model, monkeypatch):
    """The disk is full where the operating system says so: at the write."""
    brain.turns = [call_tool("file_write", {"path": "a.txt", "content": "x"}), say("The disk is full.")]
    job = hear(owner, "Write").job
    work()
    files = import_module("tools.builtin.files")

    def full(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "replace", full)
    for _ in range(2):  # the plan, and the call
        press()
        work()
    job.refresh_from_db()
    assert job.state == State.DONE
    results = [str(received.body["messages"][-1]["content"]) for received in model.requests]
    assert any("No space left on device" in result for result in results)


def test_a_command_on_a_full_disk_tells_the_model(owner, hear, work, press, brain, model):
    brain.turns = [call_tool("shell", {"command": "echo x > /dev/full"}), say("The disk is full.")]
    job = hear(owner, "Write").job
    work()
    press()
    work()
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    assert any("No space left on device" in str(received.body["messages"][-1]) for received in model.requests)


@pytest.mark.parametrize("kind", ["binary", "dangling", "folder", "pipe"])
def test_a_file_that_cannot_be_read_is_told_to_the_model(kind, owner, hear, work, press, brain, model, workspace):
    path = workspace / "photo.jpg"
    {
        "binary": lambda: path.write_bytes(bytes(range(256)) * 40),
        "dangling": lambda: path.symlink_to(workspace / "gone.jpg"),
        "folder": path.mkdir,
        "pipe": lambda: import_module("os").mkfifo(path),
    }[kind]()
    brain.turns = [call_tool("file_read", {"path": "photo.jpg"}), say("I could not read it.")]
    job = hear(owner, "Look at photo.jpg").job
    work()
    press()
    work()
    job.refresh_from_db()
    assert job.state == State.DONE
    answer = model.requests[-1].body["messages"][-1]["content"][-1]
    assert answer["type"] == "tool_result"
    assert "broke" not in answer["content"]
    assert answer["content"]


def test_an_unreadable_attachment_is_described_and_the_message_is_answered(bot, work):
    """Telegram has forgotten the file, or never had it: what was said with it still counts."""
    sender = {"id": OWNER_ID, "is_bot": False, "first_name": "Olga"}
    chat = {"id": OWNER_ID, "type": "private", "first_name": "Olga"}
    photo = [{"file_id": "gone", "file_unique_id": "gone", "width": 90, "height": 90, "file_size": 0}]
    message = {"message_id": 5, "date": 1, "chat": chat, "from": sender, "photo": photo, "caption": "What is this?"}
    update_receive({"update_id": 78, "message": message})
    work()
    job = Job.objects.get()
    assert job.state == State.AWAITING
    assert told(job)

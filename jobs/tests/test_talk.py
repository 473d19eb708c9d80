"""A card can be changed and asked about before it is decided."""

from datetime import timedelta

import pytest
from django.utils import timezone

from approvals.errors import ApprovalStale
from approvals.models import Approval
from approvals.services import approval_decide
from jobs.models import Job, Question
from jobs.services import recover, talk
from jobs.states import State
from llm.scripted import call_tool, say
from ops.models import AuditEvent
from tests.cast import classified, pending, told
from threads.models import Delivery, Message

pytestmark = pytest.mark.django_db


@pytest.fixture
def asked(model, brain, owner, hear, work):
    brain.classification = classified(summary="Look at the disk", plan=["Run df"], commands=["df -h"])
    job = hear(owner, "How full is the disk?").job
    work()
    return job


def actor(owner):
    return f"person:{owner.pk}"


def test_a_card_says_what_is_done_how_it_is_undone_and_what_it_may_cost(asked):
    text = pending().card["text"]
    assert "Plan for job" in text
    assert "$ df -h\n   (It only reads, inside of bounds.)" in text
    assert "This changes nothing" in text
    assert "At most 1,000,000 tokens or $" in text
    assert "left today." in text


def test_a_card_of_a_change_says_what_undo_can_do(model, brain, owner, hear, work):
    brain.classification = classified(commands=["rm old.txt"], needs_confirmation=True)
    hear(owner, "Remove old.txt")
    work()
    assert "can be undone: /undo. What is done outside of the workspace stays done." in pending().card["text"]


def test_the_next_message_after_change_makes_a_new_card_for_the_same_job(asked, brain, owner, hear, work, press, model):
    first = pending()
    press("edit", actor=actor(owner))
    assert "your next message changes job" in told(asked)
    brain.classification = classified(summary="Look at /var", commands=["df -h /var"])
    received = hear(owner, "Only /var please")
    assert received.job == asked
    work()
    asked.refresh_from_db()
    assert asked.state == State.AWAITING
    assert asked.summary == "Look at /var"
    assert pending().revision == first.revision + 1
    assert Job.objects.count() == 1
    said = model.requests[-1].body["messages"][0]["content"]
    assert "Only /var please" in said
    assert "Run df" in said
    first.refresh_from_db()
    assert first.state == Approval.State.SUPERSEDED
    with pytest.raises(ApprovalStale, match="replaced by something newer"):
        approval_decide(approval_id=first.pk, revision=first.revision, choice="ok", actor=actor(owner), via="web")


def test_a_reply_to_the_card_changes_it_without_a_button(asked, owner, hear, work):
    card = Delivery.objects.get(approval=pending())
    Delivery.objects.filter(pk=card.pk).update(external_id="77")
    assert hear(owner, "Only /var please", reply_to="77").job == asked
    work()
    assert pending().revision == 2


def test_another_message_is_a_new_job_as_before(asked, owner, hear):
    assert hear(owner, "Something else").job != asked
    asked.refresh_from_db()
    assert asked.state == State.SUPERSEDED


def test_somebody_elses_message_is_not_what_the_card_listens_for(asked, owner, hear, press):
    press("edit", actor="person:999999")
    assert hear(owner, "Something else").job != asked


def test_a_question_is_answered_and_the_card_stays_open(asked, brain, owner, hear, work, press, model):
    card = pending()
    press("ask", actor=actor(owner))
    brain.turns = [say("df only reads.")]
    message = hear(owner, "Is that dangerous?").message
    work()
    assert pending() == card
    assert "df only reads." in told(asked)
    assert Delivery.objects.filter(text="df only reads.").get().approval == card
    body = model.requests[-1].body
    assert "tools" not in body
    assert "<card>" in str(body["messages"])
    assert Message.objects.get(pk=message.pk).question.answered_at is not None
    press("ok", actor=actor(owner))
    work()
    asked.refresh_from_db()
    assert asked.state == State.DONE


def test_only_the_next_message_is_the_question(asked, brain, owner, hear, work, press):
    press("ask", actor=actor(owner))
    hear(owner, "Is that dangerous?")
    assert hear(owner, "Something else").job != asked


def test_a_question_whose_model_is_away_is_asked_again_and_in_the_end_told(asked, owner, hear, work, press, settings):
    press("ask", actor=actor(owner))
    settings.ANTHROPIC_BASE_URL = "http://127.0.0.1:1"
    hear(owner, "Is that dangerous?")
    for _ in range(talk.TRIES):
        work()
        recover.sweep()
    work()
    assert "I can't answer that now" in told(asked)
    assert pending()
    assert Question.objects.get().attempts == talk.TRIES
    assert talk.questions_due() == []


def test_a_question_is_answered_once_however_often_its_task_comes(asked, brain, owner, hear, work, press):
    press("ask", actor=actor(owner))
    brain.turns = [say("Once."), say("Twice.")]
    hear(owner, "Is that dangerous?")
    work()
    talk.question_answer(Question.objects.get().pk)
    assert "Twice." not in told(asked)


def test_the_question_of_a_decided_card_is_over(asked, owner, hear, press):
    press("ask", actor=actor(owner))
    hear(owner, "Is that dangerous?")
    press("ok", actor=actor(owner))
    Question.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    assert talk.questions_due() == []


def test_in_mid_run_a_change_is_told_to_the_model_instead_of_the_call(
    model, brain, owner, hear, work, press, workspace
):
    brain.turns = [call_tool("shell", {"command": "touch a.txt"}), say("Then not.")]
    job = hear(owner, "Make a file").job
    work()
    press("ok", actor=actor(owner))
    work()
    assert pending().kind == Approval.Kind.TOOL
    press("edit", actor=actor(owner))
    assert hear(owner, "Call it b.txt").job == job
    work()
    assert "Call it b.txt" in str(model.requests[-1].body["messages"][-1])
    job.refresh_from_db()
    assert job.state == State.DONE
    assert not (workspace / "a.txt").exists()


def test_a_change_written_beside_the_button_needs_no_further_message(asked, owner, work, press):
    press("edit", actor=actor(owner), note="Only /var please")
    work()
    assert pending().revision == 2
    assert Message.objects.filter(text="Only /var please", jobs=asked).exists()


def test_a_card_in_mid_run_shows_only_what_is_new(model, brain, owner, hear, work, press, workspace):
    brain.classification = classified(commands=["touch a.txt"])
    brain.turns = [call_tool("shell", {"command": "touch a.txt"}), call_tool("shell", {"command": "touch b.txt"})]
    hear(owner, "Make files")
    work()
    press("ok", actor=actor(owner))
    work()
    text = pending().card["text"]
    assert text.startswith("Beyond the 1 approved call, job")
    assert "touch b.txt" in text
    assert "touch a.txt" not in text


def test_a_reason_is_kept_with_the_cancel_or_after_it(asked, owner, hear):
    hear(owner, f"/cancel {asked.pk}")
    hear(owner, f"/cancel {asked.pk} the disk is new")
    event = AuditEvent.objects.get(action="cancel explained")
    assert (event.subject, event.detail) == (asked.ref, {"reason": "the disk is new"})
    again = hear(owner, "How full is it?").job
    hear(owner, f"/cancel {again.pk} not today")
    assert again.events.last().reason == "not today"


def test_a_card_with_a_job_queued_behind_it_hears_the_next_message_too(model, brain, owner, hear, work, press):
    brain.classification = classified(needs_confirmation=False, plan=["Look"], commands=["uptime"])
    brain.turns = [call_tool("file_write", {"path": "a", "content": "b"}), say("Fine.")]
    job = hear(owner, "Look after it").job
    work()
    press("ok", actor=actor(owner))
    work()
    assert pending().kind == Approval.Kind.TOOL
    behind = hear(owner, "And then this").job
    assert behind != job
    press("ask", actor=actor(owner))
    assert hear(owner, "What will be in it?").job == job
    assert Question.objects.get().job == job
    assert hear(owner, "More about the second").job == behind

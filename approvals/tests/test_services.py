from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from approvals import handlers
from approvals.errors import ApprovalStale, UnknownChoice
from approvals.models import Approval
from approvals.services import approval_ask, approval_decide, approvals_expire
from ops.models import AuditEvent

pytestmark = pytest.mark.django_db


@pytest.fixture
def answers(monkeypatch):
    heard = []
    monkeypatch.setitem(handlers._handlers, "question", heard.append)
    return heard


def ask(**changes) -> Approval:
    given = {
        "kind": "question",
        "subject": "thing:1",
        "title": "May I?",
        "card": {},
        "choices": [("ok", "OK"), ("cancel", "Cancel")],
        "expires_in": timedelta(hours=1),
    }
    return approval_ask(**(given | changes))


def decide(approval, **changes):
    given = {
        "approval_id": approval.pk,
        "revision": approval.revision,
        "choice": "ok",
        "actor": "person:1",
        "via": "web",
    }
    return approval_decide(**(given | changes))


def test_an_ok_is_recorded_with_who_and_where_and_told_to_the_asker(answers):
    decided = decide(ask())
    assert (decided.state, decided.decided_by, decided.decided_via) == ("approved", "person:1", "web")
    assert answers == [decided]
    assert AuditEvent.objects.get().actor == "person:1"


def test_it_refuses_a_second_answer_and_says_what_the_first_was(answers):
    approval = ask()
    decide(approval, choice="cancel")
    with pytest.raises(ApprovalStale, match="Already answered with “Cancel”"):
        decide(approval)
    assert len(answers) == 1


def test_a_new_question_replaces_the_open_one(answers):
    old = ask()
    new = ask()
    assert new.revision == 2
    with pytest.raises(ApprovalStale, match="replaced"):
        decide(old)


def test_a_button_of_another_revision_does_nothing(answers):
    with pytest.raises(ApprovalStale, match="don't know this card"):
        decide(ask(), revision=9)
    assert answers == []


def test_it_refuses_a_choice_that_the_card_does_not_have(answers):
    with pytest.raises(UnknownChoice):
        decide(ask(), choice="sudo")


def test_silence_lets_it_expire_and_tells_the_asker(answers):
    approval = ask(expires_in=timedelta(seconds=-1))
    with pytest.raises(ApprovalStale, match="expired"):
        decide(approval)
    assert approvals_expire() == 1
    assert approvals_expire() == 0
    assert answers[0].state == "expired"


def test_the_database_holds_one_open_question_a_subject():
    ask()
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.create(
            kind="plan", subject="thing:1", revision=7, title="x", expires_at=timezone.now() + timedelta(hours=1)
        )


def test_the_database_refuses_an_unsigned_decision():
    approval = ask()
    with pytest.raises(IntegrityError), transaction.atomic():
        Approval.objects.filter(pk=approval.pk).update(state="approved")

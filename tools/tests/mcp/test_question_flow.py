"""A server asks in the middle of a job: the run is parked, the owner answers, the call is finished."""

import pytest

from approvals.models import Approval
from approvals.services import approvals_supersede
from common.commands import Call, run
from jobs.models import Job
from jobs.services.propose import calls_propose
from jobs.states import State
from llm.scripted.replies import call_tool, say
from tests.cast import pending, told
from tools.models import ExecutionState, McpQuestion, ToolExecution

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("connected", "bubblewrap", "model")]


@pytest.fixture
def asking(tool, brain, owner, hear, work, settings) -> Job:
    """A job whose tool has a question for the owner."""
    settings.APPROVAL_POLICY = "risky"
    tool("ask")
    brain.turns = [call_tool("wayward__ask", {}), say("It is painted.")]
    hear(owner, "Paint it.")
    work()
    return Job.objects.get()


def test_the_question_is_a_card_with_its_answers_as_buttons(asking) -> None:
    card = pending()
    assert (asking.state, card.kind) == (State.AWAITING, Approval.Kind.QUESTION)
    assert card.choices == [["answer1", "red"], ["answer2", "blue"], ["skip", "Decline"], ["cancel", "Cancel the job"]]
    assert "The MCP server wayward asks:\nWhich colour?" in told(asking)


def test_a_button_answers_and_the_job_goes_on(asking, press, work) -> None:
    press("answer2")
    work()
    asking.refresh_from_db()
    assert asking.state == State.DONE
    execution = ToolExecution.objects.get()
    assert (execution.state, execution.output) == (ExecutionState.DONE, "accept {'colour': 'blue'}")


def test_a_declined_question_lets_the_job_go_on(asking, press, work) -> None:
    press("skip")
    work()
    assert ToolExecution.objects.get().output == "decline None"
    assert Job.objects.get().state == State.DONE


def test_cancel_ends_the_job(asking, press, work) -> None:
    press("cancel")
    work()
    assert Job.objects.get().state == State.CANCELLED
    assert McpQuestion.objects.get().state == McpQuestion.State.OPEN


def test_a_worker_that_wakes_too_early_changes_nothing(asking, work) -> None:
    from jobs.services.execute import run_advance

    run_advance(asking.run_id)
    work()
    assert pending().revision == 1
    assert Job.objects.get().state == State.AWAITING


@pytest.fixture
def asking_in_words(asking) -> Job:
    """The same with a form that no button answers."""
    form = {"type": "object", "properties": {"name": {"type": "string", "minLength": 3}}, "required": ["name"]}
    McpQuestion.objects.update(form=form)
    approvals_supersede(subject=asking.ref)
    Job.objects.update(state=State.EXECUTING)
    calls_propose(Job.objects.get())
    return Job.objects.get()


def test_the_next_message_is_the_answer_and_one_that_does_not_fit_is_told_so(
    asking_in_words, press, hear, owner, work
) -> None:
    assert [word for word, _ in pending().choices] == ["ok", "edit", "skip", "cancel"]
    press("edit", actor=f"person:{owner.pk}")
    hear(owner, "Al")
    assert "does not fit the question (name)" in told(asking_in_words)
    hear(owner, "Alma")
    work()
    assert McpQuestion.objects.get(number=1).answer == {"name": "Alma"}
    assert Job.objects.count() == 1


def test_a_command_sends_the_answer(asking_in_words, owner) -> None:
    call = Call(
        name="answer",
        argument=f"{asking_in_words.pk} name = Olga",
        thread_ref=f"thread:{asking_in_words.thread_id}",
        actor="person:1",
        may_decide=True,
        via="web",
    )
    assert "goes on" in run(call)
    assert McpQuestion.objects.get().answer == {"name": "Olga"}

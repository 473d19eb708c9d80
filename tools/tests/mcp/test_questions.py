"""A server's form as a card, and a person's words as its values."""

import pytest

from tools.mcp import questions
from tools.mcp.values import Asked
from tools.models import McpQuestion

pytestmark = pytest.mark.django_db
FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "description": "Your name"},
        "age": {"type": "integer", "minimum": 0},
        "news": {"type": "boolean", "default": False},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["name"],
}


@pytest.fixture
def ask(server):
    def asked(form: dict | None = None, **fields: object) -> McpQuestion:
        row = server()
        question = Asked(message="Well?", form=FORM if form is None else form, **fields)
        questions.questions_keep(server=row, run_ref="run:1", call_id="1", asked=[question])
        return McpQuestion.objects.select_related("server").get()

    return asked


def one_field(**schema: object) -> dict:
    return {"type": "object", "properties": {"it": schema}}


@pytest.mark.parametrize(
    ("schema", "labels", "value"),
    [
        ({"type": "boolean"}, ["Yes", "No"], True),
        ({"type": "string", "enum": ["a", "b"]}, ["a", "b"], "a"),
        ({"type": "string", "enum": ["a", "b"], "enumNames": ["Ay", "Be"]}, ["Ay", "Be"], "a"),
        ({"type": "string", "oneOf": [{"const": "a", "title": "Ay"}]}, ["Ay"], "a"),
    ],
)
def test_one_field_with_few_answers_has_buttons(ask, schema, labels, value) -> None:
    question = ask(one_field(**schema))
    assert [label for _, label in questions.choices_of(question)][:-2] == labels
    assert questions.question_answer(question_id=question.pk, choice="answer1").answer == {"it": value}


def test_a_form_is_filled_in_by_lines(ask) -> None:
    question = ask()
    assert questions.choices_of(question)[0] == ("ok", "Send")
    assert "name: Your name (string)" in questions.text_of(question)
    note = "name = Olga = me\nage: 44; news = yes; tags = a, b; other = x"
    answered = questions.question_answer(question_id=question.pk, choice="ok", note=note)
    assert answered.answer == {"name": "Olga = me", "age": 44, "news": True, "tags": ["a", "b"]}
    assert answered.state == McpQuestion.State.ACCEPTED


@pytest.mark.parametrize(
    ("note", "words"),
    [("", "'name' is a required"), ("name = x; age = many", "(age)"), ("name = x; age = -1", "(age)")],
)
def test_an_answer_that_does_not_fit_is_refused_with_the_reason(ask, note: str, words: str) -> None:
    with pytest.raises(questions.BadAnswer) as refused:
        questions.question_answer(question_id=ask().pk, choice="ok", note=note)
    assert words in str(refused.value)
    assert McpQuestion.objects.get().state == McpQuestion.State.OPEN


def test_one_free_field_takes_all_that_was_written(ask) -> None:
    question = ask(one_field(type="string"))
    assert questions.question_answer(question_id=question.pk, choice="ok", note="So: be it").answer == {
        "it": "So: be it"
    }


def test_an_address_to_visit_is_shown_and_needs_no_words(ask) -> None:
    question = ask({}, url="https://example.com/login")
    assert "https://example.com/login" in questions.text_of(question)
    answered = questions.question_answer(question_id=question.pk, choice="ok")
    assert (answered.state, answered.answer) == (McpQuestion.State.ACCEPTED, {})


def test_what_was_answered_is_not_answered_again(ask) -> None:
    question = ask(one_field(type="boolean"))
    questions.question_answer(question_id=question.pk, choice="skip")
    assert questions.question_answer(question_id=question.pk, choice="answer1").state == McpQuestion.State.DECLINED


def test_answers_are_given_back_only_when_nothing_is_open(ask) -> None:
    question = ask(one_field(type="boolean"))
    with pytest.raises(questions.QuestionAsked):
        questions.answers_of(run_ref="run:1", call_id="1")
    questions.question_answer(question_id=question.pk, choice="answer2")
    assert [each.content for each in questions.answers_of(run_ref="run:1", call_id="1")] == [{"it": False}]
    assert questions.answers_of(run_ref="run:1", call_id="2") == []


def test_a_server_can_not_ask_without_end(ask) -> None:
    row = ask().server
    with pytest.raises(questions.BadAnswer, match="more than 10"):
        questions.questions_keep(server=row, run_ref="run:1", call_id="1", asked=[Asked(message="?")] * 10)

import os
import select
import sys

import pytest

from common.tokens import Tokens


@pytest.fixture(params=["eventfd", "pipe"])
def tokens(request, monkeypatch):
    if request.param == "pipe":
        monkeypatch.setattr(sys, "platform", "darwin")
    made = Tokens()
    yield made
    for descriptor in {made.fd, made._write}:
        os.close(descriptor)


@pytest.fixture
def wake():
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_each_token_is_taken_once(tokens):
    tokens.give(2)
    tokens.give(1)
    assert [tokens.take() for _ in range(4)] == [True, True, True, False]


def test_giving_none_gives_none(tokens):
    tokens.give(0)
    assert not tokens.take()


def test_a_wait_takes_its_token(tokens, wake):
    tokens.give(1)
    assert tokens.wait(5, wake_fd=wake[0])
    assert not tokens.take()


def test_a_wait_ends_without_a_token_when_it_is_woken_or_over(tokens, wake):
    assert not tokens.wait(0, wake_fd=wake[0])
    os.write(wake[1], b"x")
    assert not tokens.wait(60, wake_fd=wake[0])


def test_a_full_pipe_holds_up_nobody(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    tokens = Tokens()
    for _ in range(3):
        tokens.give(50_000)
    assert tokens.take()
    os.close(tokens.fd)
    os.close(tokens._write)


def test_a_child_takes_what_its_parent_gave_and_its_death_takes_no_more(tokens):
    tokens.give(2)
    if (child := os.fork()) == 0:
        os._exit(0 if tokens.take() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert select.select([tokens.fd], [], [], 0)[0]
    assert tokens.take()
    assert not tokens.take()

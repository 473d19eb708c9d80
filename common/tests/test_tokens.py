import os
import select
import sys

import pytest

from common.tokens import Tokens, Waiter


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


@pytest.fixture
def waiter(tokens, wake):
    made = Waiter(tokens, wake_fd=wake[0])
    yield made
    made.close()


def test_a_wait_takes_its_token(tokens, waiter):
    tokens.give(1)
    assert waiter.wait(5)
    assert not tokens.take()


def test_a_wait_ends_without_a_token_when_it_is_woken_or_over(waiter, wake):
    assert not waiter.wait(0)
    os.write(wake[1], b"x")
    assert not waiter.wait(60)


def test_a_token_given_while_nobody_waited_is_not_lost(tokens, waiter, wake):
    second = Waiter(tokens, wake_fd=wake[0])
    tokens.give(2)
    assert second.wait(5)
    assert waiter.wait(5)
    second.close()


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


def test_each_token_wakes_one_of_the_processes_that_wait():
    tokens, (reader, writer), (silent, other) = Tokens(), os.pipe(), os.pipe()
    children = []
    for name in (b"a", b"b", b"c"):
        if (child := os.fork()) == 0:
            waiter = Waiter(tokens, wake_fd=silent)
            os.write(writer, name)
            os._exit(0 if waiter.wait(60) else 1)
        children.append(child)
    assert {os.read(reader, 1) for _ in children} == {b"a", b"b", b"c"}
    tokens.give(len(children))
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0, 0, 0]
    for descriptor in (tokens.fd, reader, writer, silent, other):
        os.close(descriptor)

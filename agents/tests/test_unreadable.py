"""A run whose saved conversation is damaged, or of another version, ends in words instead of being tried for ever."""

import pytest

from agents.errors import RunUnreadable
from agents.models import Run
from agents.resume import rebuild

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("opening", [{"version": 1}, ["Hello"], [{"role": "user"}], [{"role": "user", "content": 7}]])
def test_a_damaged_opening_is_named_as_such(opening):
    with pytest.raises(RunUnreadable, match="cannot be read"):
        rebuild(Run.objects.create(opening=opening))


def test_text_without_blocks_is_a_block_of_text():
    run = Run.objects.create(opening=[{"role": "user", "content": "Hello"}])
    assert rebuild(run).messages == [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]

import pytest

from threads.channels import Outgoing, channel_of
from threads.errors import DeliveryPermanent


@pytest.mark.parametrize("name", ["web", "terminal"])
def test_page_and_terminal_read_the_rows_themselves(name):
    channel = channel_of(name)
    assert channel.pulls
    assert channel.rates("1") == []
    for carry in (channel.send, channel.edit):
        with pytest.raises(DeliveryPermanent):
            carry(Outgoing(address="1", topic="", text="hello"))

"""What `bench/chaos` checks when the storm is over: the stand-ins' memory and the file of effects beside the rows."""

from bench.support.reckoning.after import After
from bench.support.reckoning.approvals import approvals
from bench.support.reckoning.deliveries import deliveries
from bench.support.reckoning.ledger import ledger
from bench.support.reckoning.messages import messages, slowest
from bench.support.reckoning.recovery import recovery
from bench.support.reckoning.work import effects, epochs

__all__ = ["After", "reckon"]


def reckon(after: After) -> None:
    """Every check, printed beside its limit."""
    messages(after)
    approvals(after)
    deliveries(after)
    effects(after)
    epochs(after)
    ledger(after)
    recovery(after)
    if after.tell:
        slowest(after)

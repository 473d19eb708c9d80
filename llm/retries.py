"""How often a passing fault of a model is borne, and how long is waited in between.

What a fault costs decides how often it is tried: an answer that was cut is charged in full each time, a server that
can't be reached costs nothing. The numbers count since the work last got on; a person's retry starts them anew.
"""

from collections.abc import Mapping

from common import backoff
from llm.errors import Cause, ModelUnavailable

TRIES = {
    Cause.CUT: 5,
    Cause.SILENT: 4,
    Cause.SERVER_ERROR: 10,
    Cause.RATE_LIMIT: 20,
    Cause.OVERLOADED: 20,
    Cause.UNREACHABLE: 40,
}
"""Failures of one cause in a row after which it is given up; the waits grow to 10 s on the average, 20 s at most."""
LONGEST_WAIT = 1800.0
"""Seconds; a provider that asks for a longer pause has no room for this job."""
LONGEST_SERIES = 3600.0
"""Seconds from the first failure in a row to the last try, whatever the causes."""
LEAST_WAIT = 0.5
BASE = 1.0


class GivenUp(ModelUnavailable):
    """The model could not be reached after all tries; a retry by hand starts anew."""


def wait_before_next(error: ModelUnavailable, *, failures: Mapping[str, int], lasting: float) -> float:
    """Seconds until the next try: what the provider asked for (a little is added, so that not all come back at once),
    else exponential with full jitter, 20 s at most.

    `failures`: how often each cause has failed in a row, this time included; `lasting`: seconds since the first of
    them. Raises GivenUp, whose sentence says why.
    """
    count = failures.get(error.cause, 1)
    if count >= TRIES[error.cause]:
        raise _given_up(error, f"I tried {count} times.")
    wait = LEAST_WAIT + backoff.delay(count, base=BASE)
    if error.retry_after is not None:
        if error.retry_after > LONGEST_WAIT:
            asked, most = f"{error.retry_after / 60:,.0f} minutes", f"{LONGEST_WAIT / 60:.0f} minutes"
            raise _given_up(error, f"It asks for a pause of {asked}, and I wait for {most} at most.")
        wait = error.retry_after + backoff.delay(0, base=BASE)
    if lasting + wait > LONGEST_SERIES:
        raise _given_up(error, f"I have tried for {lasting / 60:.0f} minutes.")
    return wait


def _given_up(error: ModelUnavailable, why: str) -> GivenUp:
    return GivenUp(
        f"{error} {why} Retry tries again.",
        fate=error.fate,
        request_id=error.request_id,
        retry_after=error.retry_after,
        cause=error.cause,
    )

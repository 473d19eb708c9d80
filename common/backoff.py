"""How long to wait before the next attempt."""

import random


def delay(attempt: int, *, base: float = 0.2, cap: float = 20.0) -> float:
    """Seconds before attempt number `attempt` (0 is the first retry): exponential with full jitter, so that many who
    failed together do not come back together. Between 0 and the smaller of `cap` and base x 2^attempt."""
    return random.uniform(0, min(cap, base * 2 ** min(attempt, 32)))

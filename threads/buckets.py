"""Token buckets of the outbox, by the generic cell rate algorithm: a bucket is the time when it will be full again."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import connection

from threads.channels import Channel, Rate

READ = "SELECT key, full_at FROM threads_sendbucket WHERE channel = %s AND key = ANY(%s)"
WRITE = """
INSERT INTO threads_sendbucket (channel, key, full_at) SELECT %s::text, u.key, u.full_at
FROM unnest(%s::text[], %s::timestamptz[]) AS u (key, full_at)
ON CONFLICT ON CONSTRAINT one_bucket_a_key DO UPDATE SET full_at = EXCLUDED.full_at
"""


class Buckets:
    """The buckets that a batch of deliveries draws from, read at once and saved at once."""

    def __init__(self, *, channel: Channel, addresses: Iterable[str], now: datetime) -> None:
        self.channel = channel
        self.now = now
        self.rates = {address: channel.rates(address) for address in addresses}
        keys = {rate.key for rates in self.rates.values() for rate in rates}
        self.full_at: dict[str, datetime] = dict(_read(channel.name, sorted(keys))) if keys else {}
        self.touched: set[str] = set()

    def wait(self, address: str, *, spare: int = 0) -> float:
        """Seconds until each of the address's buckets has a token, and `spare` more where it holds so many."""
        return max((self._wait(rate, spare) for rate in self.rates[address]), default=0.0)

    def _wait(self, rate: Rate, spare: int) -> float:
        full_at = self.full_at.get(rate.key, self.now)
        # With b tokens saved the bucket may be (b - 1) intervals short of full before the next one must wait.
        return (full_at - self.now).total_seconds() - rate.seconds * max(rate.burst - 1 - spare, 0)

    def take(self, address: str) -> None:
        """Take a token out of each of the address's buckets."""
        for rate in self.rates[address]:
            full_at = max(self.full_at.get(rate.key, self.now), self.now)
            self.full_at[rate.key] = full_at + timedelta(seconds=rate.seconds)
            self.touched.add(rate.key)

    def save(self) -> None:
        """Write what was taken, in one statement."""
        keys = sorted(self.touched)
        if keys:
            with connection.cursor() as cursor:
                cursor.execute(WRITE, [self.channel.name, keys, [self.full_at[key] for key in keys]])


def _read(channel: str, keys: list[str]) -> list[tuple[str, datetime]]:
    with connection.cursor() as cursor:
        cursor.execute(READ, [channel, keys])
        return list(cursor.fetchall())

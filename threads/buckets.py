"""Token buckets of the outbox, by the generic cell rate algorithm: a bucket is the time when it will be full again."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from threads.channels import Channel, Rate
from threads.models import SendBucket


class Buckets:
    """The buckets that a batch of deliveries draws from, read at once and saved at once."""

    def __init__(self, *, channel: Channel, addresses: Iterable[str], now: datetime) -> None:
        self.channel = channel
        self.now = now
        self.rates = {address: channel.rates(address) for address in addresses}
        keys = {rate.key for rates in self.rates.values() for rate in rates}
        rows = SendBucket.objects.filter(channel=channel.name, key__in=keys) if keys else []
        self.full_at = {row.key: row.full_at for row in rows}
        self.touched: set[str] = set()

    def wait(self, address: str) -> float:
        """Seconds until each of the address's buckets has a token."""
        return max((self._wait(rate) for rate in self.rates[address]), default=0.0)

    def _wait(self, rate: Rate) -> float:
        full_at = self.full_at.get(rate.key, self.now)
        # With b tokens saved the bucket may be (b - 1) intervals short of full before the next one must wait.
        return (full_at - self.now).total_seconds() - rate.seconds * (rate.burst - 1)

    def take(self, address: str) -> None:
        """Take a token out of each of the address's buckets."""
        for rate in self.rates[address]:
            full_at = max(self.full_at.get(rate.key, self.now), self.now)
            self.full_at[rate.key] = full_at + timedelta(seconds=rate.seconds)
            self.touched.add(rate.key)

    def save(self) -> None:
        """Write what was taken, in one statement."""
        rows = [
            SendBucket(channel=self.channel.name, key=key, full_at=self.full_at[key]) for key in sorted(self.touched)
        ]
        if rows:
            SendBucket.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["channel", "key"], update_fields=["full_at"]
            )

"""Who may work on a row: a lease with an owner, an epoch and an expiry by the database's clock.

A claim is one statement and raises the epoch; every write of the holder is fenced by its epoch, so a worker that was
stopped and wakes up after a takeover can do nothing any more. A lease is free when nobody holds it, when it has lapsed,
or when its owner is a process of this host that is dead.
"""

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import Error, connection, models

from common import backoff, processes
from common.errors import AgentError
from common.rows import RELAXED, insert_where

logger = logging.getLogger(__name__)
LEASE_SECONDS = 20.0
RENEW_SECONDS = 5.0

CLAIM = """
    UPDATE {table} SET lease_owner = %s, lease_epoch = lease_epoch + 1,
        lease_expires_at = clock_timestamp() + make_interval(secs => %s)
    WHERE {key} = %s AND (lease_expires_at IS NULL OR lease_expires_at <= clock_timestamp()
        OR (lease_owner = %s AND lease_epoch = %s))
    RETURNING lease_epoch, lease_expires_at, {relaxed}
"""
RENEW = """
    UPDATE {table} SET lease_expires_at = clock_timestamp() + make_interval(secs => %s)
    WHERE {key} = %s AND lease_epoch = %s AND lease_expires_at IS NOT NULL
"""
RELEASE = """
    UPDATE {table} SET lease_owner = '', lease_expires_at = NULL WHERE {key} = %s AND lease_epoch = %s
    RETURNING {relaxed}
"""
# NO KEY: rows that point to the leased one may be written meanwhile, by whoever else holds locks of theirs.
FENCE = "SELECT lease_epoch FROM {table} WHERE {key} = %s FOR NO KEY UPDATE"
HELD = "SELECT 1 FROM {table} WHERE {key} = %s AND lease_epoch = %s FOR NO KEY UPDATE"


class LeaseHeld(AgentError):
    """Somebody else is working on this right now."""


class LeaseLost(AgentError):
    """Another worker has taken this over; whatever was still to be written is dropped."""


class Leased(models.Model):
    """What a row needs to be leased. `lease_epoch` only grows; `lease_expires_at` is null while nobody holds it."""

    lease_owner = models.CharField(max_length=200, blank=True, default="", editable=False)
    lease_epoch = models.IntegerField(default=0, editable=False)
    lease_expires_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        abstract = True


def claim(row: Leased) -> int:
    """Takes the lease of `row` for 20 s and returns the new epoch; raises LeaseHeld. The row in memory is updated."""
    taken = _take(row, dead_owner="", dead_epoch=-1)
    if taken is None:
        # lapsed or free did not match: a process of this host that is gone need not be waited for
        row.refresh_from_db(fields=["lease_owner", "lease_epoch", "lease_expires_at"])
        if not processes.is_dead(row.lease_owner):
            raise LeaseHeld
        taken = _take(row, dead_owner=row.lease_owner, dead_epoch=row.lease_epoch)
    if taken is None:
        raise LeaseHeld
    return taken


def renew(row: Leased, epoch: int) -> None:
    """Keeps the lease for another 20 s. Raises LeaseLost."""
    if not _run(RENEW, row, [LEASE_SECONDS, row.pk, epoch]):
        raise LeaseLost


def release(row: Leased, epoch: int) -> None:
    """Gives the lease back; does nothing when it was lost. The epoch stays, so old writes stay fenced off.

    A holder whose last write has emptied `lease_expires_at` has given it back already."""
    if row.lease_expires_at is not None:
        _run(RELEASE, row, [row.pk, epoch])


def fence(row: Leased, epoch: int) -> None:
    """Locks the row for the rest of the transaction and raises LeaseLost unless `epoch` is still the row's.

    Called first in each transaction in which the holder writes."""
    with connection.cursor() as cursor:
        cursor.execute(_sql(FENCE, row), [row.pk])
        found = cursor.fetchone()
    if found is None or found[0] != epoch:
        raise LeaseLost


def insert_fenced(new: models.Model, *, row: Leased, epoch: int) -> None:
    """Inserts `new` if `epoch` is still the row's: fence and write in one statement. Raises LeaseLost."""
    if not insert_where(new, _sql(HELD, row), [row.pk, epoch]):
        raise LeaseLost


@contextmanager
def held(row: Leased) -> Iterator[int]:
    """Claims the lease, renews it every 5 s while the block runs, gives it back; yields the epoch. Raises LeaseHeld."""
    epoch = claim(row)
    renewer = _renewer()
    renewer.add(row, epoch)
    try:
        yield epoch
    finally:
        renewer.remove(row, epoch)
        try:
            release(row, epoch)
        except Error:  # the database is away: see release_left
            _left.append((os.getpid(), row, epoch))
            raise


def release_left() -> None:
    """Gives back what `held` could not, because the database was away: its owner lives, so for everybody else these
    leases are held until they lapse. To be called as soon as the database answers again."""
    while _left:
        pid, row, epoch = _left[-1]
        if pid == os.getpid():  # a fork has a copy of what was its parent's
            _run(RELEASE, row, [row.pk, epoch])
        _left.pop()


_left: list[tuple[int, Leased, int]] = []


def _take(row: Leased, *, dead_owner: str, dead_epoch: int) -> int | None:
    owner = processes.owner()
    with connection.cursor() as cursor:
        cursor.execute(_sql(CLAIM, row), [owner, LEASE_SECONDS, row.pk, dead_owner, dead_epoch])
        taken = cursor.fetchone()
    if taken is None:
        return None
    row.lease_owner, row.lease_epoch, row.lease_expires_at = owner, taken[0], taken[1]
    return row.lease_epoch


def _run(template: str, row: Leased, values: list[Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_sql(template, row), values)
        return bool(cursor.rowcount)


def _sql(template: str, row: Leased) -> str:
    quote = connection.ops.quote_name
    return template.format(table=quote(row._meta.db_table), key=quote(row._meta.pk.attname), relaxed=RELAXED)


class _Renewer(threading.Thread):
    """One thread a process, asleep while no lease is older than 5 s; its connection is closed when it goes to sleep."""

    def __init__(self) -> None:
        super().__init__(name="lease-renewer", daemon=True)
        self._held: dict[tuple[type[Leased], object, int], tuple[Leased, float]] = {}
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self.idle = threading.Event()

    def add(self, row: Leased, epoch: int) -> None:
        with self._lock:
            self._held[type(row), row.pk, epoch] = (row, time.monotonic() + RENEW_SECONDS)
        self._wake.set()

    def remove(self, row: Leased, epoch: int) -> None:
        with self._lock:
            self._held.pop((type(row), row.pk, epoch), None)

    def run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            self.idle.clear()
            while (pause := self._renew_due()) is not None:
                time.sleep(pause)
            connection.close()
            self.idle.set()

    def _renew_due(self) -> float | None:
        """Renews what is due; seconds until the next is, or None when nothing is held."""
        now = time.monotonic()
        with self._lock:
            due = [(key, row) for key, (row, at) in self._held.items() if at <= now]
        for key, row in due:
            self._renew(key, row)
        with self._lock:
            return max(0.05, min(at for _, at in self._held.values()) - now) if self._held else None

    def _renew(self, key: tuple[type[Leased], object, int], row: Leased) -> None:
        pause = RENEW_SECONDS
        try:
            renew(row, key[2])
        except LeaseLost:
            logger.warning("The lease of %s %s was lost.", key[0].__name__, key[1])
            return self.remove(row, key[2])
        except Error as error:
            logger.warning("A lease could not be renewed, trying again: %s", str(error).strip())
            connection.close()
            pause = 0.1 + backoff.delay(3)  # soon: what is not renewed in time is lost
        with self._lock:
            if key in self._held:
                self._held[key] = (row, time.monotonic() + pause)


_renewers: dict[int, _Renewer] = {}
_renewers_lock = threading.Lock()


def _renewer() -> _Renewer:
    with _renewers_lock:
        if os.getpid() not in _renewers:  # a fork has no threads of its parent
            _renewers[os.getpid()] = _Renewer()
            _renewers[os.getpid()].start()
        return _renewers[os.getpid()]

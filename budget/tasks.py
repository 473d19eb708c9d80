"""What runs by itself: reservations of calls that nobody will ever settle are closed."""

from django.utils import timezone

from budget import services
from budget.models import LedgerEntry, Reservation

SWEEP_BATCH = 500
LOST = "The process that made this call ended before it was answered; charged in full at its reservation."


def sweep() -> int:
    """Closes open reservations past their expiry and returns how many.

    Never sent: given back. Sent: charged in full and flagged. Safe to run anywhere, any number of times.
    """
    due = Reservation.objects.filter(state=Reservation.State.OPEN, expires_at__lt=timezone.now())
    return sum(_close(reservation) for reservation in due.order_by("expires_at")[:SWEEP_BATCH])


def _close(reservation: Reservation) -> bool:
    if reservation.sent_at is None:
        return services.lapse(reservation_id=reservation.pk)
    entry = services.charge_unknown(reservation=reservation, error=LOST)
    return entry.outcome == LedgerEntry.Outcome.UNKNOWN

"""What runs by itself for the bridge."""

from datetime import timedelta

from django.utils import timezone

from telegram_bridge.dead_letters import stranded_handle
from telegram_bridge.models import TelegramUpdate

STRANGER_PAYLOAD_KEPT = timedelta(days=7)


def prune() -> None:
    """Scheduled: empty what strangers sent a week ago; the rows stay, so that nothing is taken in twice."""
    old = TelegramUpdate.objects.filter(sender_id__isnull=False, received_at__lt=timezone.now() - STRANGER_PAYLOAD_KEPT)
    old.exclude(payload={}).update(payload={})


def sweep() -> None:
    """Scheduled: find updates that were stored and never handled."""
    stranded_handle()

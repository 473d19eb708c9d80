"""Conversations in the admin, a file a noun."""

from threads.admin import conversations, deliveries, people  # noqa: F401  (registers the pages)

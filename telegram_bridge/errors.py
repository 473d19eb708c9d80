"""What can go wrong between us and Telegram, sorted into what may work later and what never will."""

from common.errors import AgentError


class TelegramTransient(AgentError):
    """Telegram could not be reached or is busy; the call may work later.

    `retry_after`: seconds that Telegram wants us to wait, if it said so.
    `unknown_outcome`: Telegram may have acted on the call although no answer came, or one that says nothing of it.
    `refused`: the answer was a complete one with an error of Telegram's own (5xx): it has hardly acted on the call.
    """

    def __init__(
        self,
        message: str = "",
        *,
        retry_after: float | None = None,
        unknown_outcome: bool = False,
        refused: bool = False,
    ) -> None:
        super().__init__(message or "Telegram could not be reached or is busy; the call may work later.")
        self.refused = refused
        self.retry_after = retry_after
        self.unknown_outcome = unknown_outcome


class TelegramConflict(TelegramTransient):
    """Updates are fetched by somebody else: another poller runs with this token, or a webhook is set."""


class TelegramPermanent(AgentError):
    """Telegram refused the call, and will refuse it again.

    `description`: Telegram's own words, but for case (python-telegram-bot changes it: compare in lower case).
    `migrated_to`: the new chat id of a group that became a supergroup.
    """

    def __init__(self, description: str = "", *, migrated_to: int | None = None) -> None:
        super().__init__(f"Telegram refused the call: {description or 'no reason given'}")
        self.description = description
        self.migrated_to = migrated_to


class TelegramUnauthorized(TelegramPermanent):
    """Telegram does not know the bot's token: it was revoked, or is wrong. No call can work until it is replaced."""

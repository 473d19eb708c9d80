"""What can go wrong with a model call. Each error tells the gateway what became of the call (its fate, for the ledger)
and the caller whether to try again."""

from enum import StrEnum
from typing import TYPE_CHECKING

from common.errors import AgentError

if TYPE_CHECKING:
    from llm.types import ModelReply


class Fate(StrEnum):
    """What the provider knows of a call that failed."""

    NEVER_LEFT = "never left"  # nothing was sent: nothing is charged
    REFUSED = "refused"  # answered with an error: received, nothing counted
    UNKNOWN = "unknown"  # sent, and its end was not seen: charged in full


class Cause(StrEnum):
    """Why a model can't be reached right now; retries.py says how often each is borne."""

    RATE_LIMIT = "rate limit"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server error"
    CUT = "answer cut off"
    SILENT = "no answer in time"
    UNREACHABLE = "unreachable"


class ModelError(AgentError):
    """The model call failed."""

    def __init__(self, message: str = "", *, fate: Fate = Fate.UNKNOWN, request_id: str = "") -> None:
        super().__init__(message)
        self.fate = fate
        self.request_id = request_id


class ModelUnavailable(ModelError):
    """The model can't be reached right now; it will be tried again."""

    # `retry_after`: seconds that the provider asks to wait, up to a week; None where it says nothing.

    def __init__(
        self,
        message: str = "",
        *,
        fate: Fate = Fate.UNKNOWN,
        request_id: str = "",
        retry_after: float | None = None,
        cause: Cause = Cause.UNREACHABLE,
    ) -> None:
        super().__init__(message, fate=fate, request_id=request_id)
        self.retry_after = retry_after
        self.cause = cause


class ModelRejected(ModelError):
    """The model's provider refused the request, and would again."""


class ModelKeyRefused(ModelRejected):
    """The provider lets nobody in with this key (wrong, revoked, out of credit): no call can work until that is put
    right."""


class ModelOutputInvalid(ModelError):
    """The model's answer can't be used. `reply` is what it said."""

    def __init__(self, message: str = "", *, reply: "ModelReply | None" = None) -> None:
        super().__init__(message)
        self.reply = reply

from common.errors import AgentError


class EmptyMessage(AgentError):
    """Write something first."""


class MessageTooLong(AgentError):
    """That is too long for one message (16,000 characters at most); send it in parts."""


class Blocked(AgentError):
    """The owner has blocked you; he can change that in the admin."""


class ForeignCard(AgentError):
    """This card belongs to another chat."""


class WorkersAway(AgentError):
    """The workers are not running, so nothing answers; start them with ./run. Your message is kept until then."""


class NotAnswered(AgentError):
    """A card waits for an answer."""

"""Which machine this is, among all that share the database."""

from functools import cache

from django.conf import settings

MOST_CHARACTERS = 100


@cache
def host_id() -> str:
    """The HOST_ID setting, by default the machine's name: a process of it is known by this and its pid.

    Two sets of processes that cannot see each other's pids (containers, or two on one machine) need different ones.
    Without colons, which part the name of a lease's owner.
    """
    name: str = settings.HOST_ID
    return name.replace(":", "-")[:MOST_CHARACTERS]

"""Django's PostgreSQL backend with a health check that asks the kernel instead of the server.

`CONN_HEALTH_CHECKS` looks at a kept connection once a request and once a task; Django's own look is a `SELECT 1`. A
server that ends (or was restarted) closes its connections, and an idle socket with something to read says so for free.
"""

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Asks the server only after an error, or where its socket has something unasked to say (mostly: good-bye)."""

    def is_usable(self) -> bool:
        if self.connection is None or self.connection.closed:
            return False
        if not self.errors_occurred and not _has_news(self.connection.fileno()):
            return True
        return bool(super().is_usable())


def _has_news(socket: int) -> bool:
    poll = select.poll()  # unlike select() it takes any descriptor
    poll.register(socket, select.POLLIN)
    return bool(poll.poll(0))

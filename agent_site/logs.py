"""One line a record, with the process it came from, and without secrets."""

import logging

from common.text import redact


class RedactingFormatter(logging.Formatter):
    """Redacts the finished line: arguments and exception texts are covered too (HTTP libraries log addresses)."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s[%(process)d] %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))

"""Keeps the beginning and the end of an output of any length."""


class HeadTail:
    """At most `limit` characters of what was fed: the first and the last half, with a note of what lies between."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        # A character of UTF-8 has at most four bytes.
        self._room = 2 * limit
        self._head = bytearray()
        self._tail = bytearray()
        self.size = 0

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        space = self._room - len(self._head)
        self._head += data[:space]
        self._tail += data[space:]
        if len(self._tail) > 2 * self._room:
            del self._tail[: -self._room]

    def text(self) -> tuple[str, bool]:
        """The text, and whether something was left out. Bytes that are no UTF-8 are replaced."""
        if self.size <= len(self._head) + len(self._tail):
            return shorten_middle((self._head + self._tail).decode(errors="replace"), self._limit)
        head = self._head.decode(errors="replace")[: self._limit // 2]
        tail = self._tail[-self._room :].decode(errors="replace")[-(self._limit // 2) :]
        return f"{head}\n[… of {self.size:,} bytes the middle is left out …]\n{tail}", True


def shorten_middle(text: str, limit: int) -> tuple[str, bool]:
    """`text` with its middle left out when it has more than `limit` characters, and whether that was so."""
    if len(text) <= limit:
        return text, False
    left_out = len(text) - limit
    half = limit // 2
    return f"{text[:half]}\n[… {left_out:,} characters left out …]\n{text[-half:]}", True

"""
The body of an answer, collected as it arrives, and never more of it than fits.

Both drivers hand over the bytes as the server sent them, so that what an answer means and costs does not depend on an
HTTP library.
"""

from __future__ import annotations

import re
import zlib

# Counts for the bytes that arrive and for what they hold when decompressed. mParticle's longest answers, lists of a
# hundred runs or pipelines, have some 100 kB.
LONGEST_BODY = 16 * 2**20
# What is kept of a body that cannot be used: an error page says in its first lines what it is.
BEGINNING = 64 * 2**10

# What drivers ask for, and all that can be read here.
ACCEPT_ENCODING = "gzip, deflate"
_COMPRESSED = {"gzip", "x-gzip", "deflate"}
_ANY_HEADER = 32 + zlib.MAX_WBITS  # zlib recognises the header by itself: that of gzip or its own

# How many values an answer may hold in a worker, where they take some 70 MB, and in an event loop, which stands still
# for some 70 ms while it reads them. A list of a hundred runs has 2,000 values.
MOST_VALUES = 500_000
MOST_VALUES_IN_LOOP = 50_000
_TEXT = re.compile(rb'"(?:[^"\\]|\\.)*+"', re.DOTALL)


class AnswerBody:
    """
    Collects a body and undoes its compression.

    :param encoding: Value of the header ``Content-Encoding``, empty where there is none.
    :param most_values: Of how many values the JSON in it may consist.

    *flaw* says why the body cannot be used, and is empty while it can. Once it is set, more bytes are of no use.
    """

    def __init__(self, encoding: str, most_values: int) -> None:
        self.flaw = ""
        self._most_values = most_values
        self._encoding = encoding.strip().lower()
        self._received = self._size = 0
        self._pieces: list[bytes] = []
        self._inflater = zlib.decompressobj(_ANY_HEADER) if self._encoding in _COMPRESSED else None
        if self._inflater is None and self._encoding not in ("", "identity"):
            self.flaw = f"is encoded as {self._encoding[:40]!r}, which was not asked for"

    def add(self, data: bytes) -> None:
        """Take bytes that have arrived."""
        self._received += len(data)
        if data and self._inflater and self._inflater.eof:
            self.flaw = f"goes on after the end of its {self._encoding} data"
            return
        try:
            # One byte more than fits is enough to know.
            piece = self._inflater.decompress(data, LONGEST_BODY + 1 - self._size) if self._inflater else data
        except zlib.error:
            self.flaw = f"is not the {self._encoding} data that it claims to be"
            return
        self._size += len(piece)
        self._pieces.append(piece)
        if max(self._received, self._size) > LONGEST_BODY:
            self.flaw = f"is longer than {LONGEST_BODY // 2**20} MB"

    def end(self) -> bytes:
        """Return the body, now that nothing more will arrive: all of it, or the beginning of one with a flaw."""
        if self._inflater and self._received and not self._inflater.eof and not self.flaw:
            self.flaw = f"ends within its {self._encoding} data"
        body = b"".join(self._pieces)
        if not self.flaw and _has_more_values(body, self._most_values):
            self.flaw = f"holds more than {self._most_values:,} values"
        return body[:BEGINNING] if self.flaw else body


def _has_more_values(body: bytes, most: int) -> bool:
    """Return whether a body that is JSON holds more than so many values. Quick for any body."""
    if _separators(body) <= most:
        return False
    return _separators(_TEXT.sub(b"", body, count=most)) > most  # text may hold separators, such as the commas of SQL


def _separators(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))

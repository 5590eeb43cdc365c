"""
Collects the body of an answer as it arrives, up to a limit, and decompresses it.

Both drivers hand over the bytes as the server sent them, so that the meaning and the cost of an answer do not depend on
an HTTP library.
"""

from __future__ import annotations

import re
import zlib

# Limit for the bytes that arrive, and for the bytes after decompression. mParticle's longest answers, lists of a
# hundred runs or pipelines, have about 100 kB.
LONGEST_BODY = 16 * 2**20
# How many bytes are kept of a body that cannot be used: the first lines of an error page say what it is.
BEGINNING = 64 * 2**10

# The encodings that drivers ask for; this module can read these and no others.
ACCEPT_ENCODING = "gzip, deflate"
_COMPRESSED = {"gzip", "x-gzip", "deflate"}
_ANY_HEADER = 32 + zlib.MAX_WBITS  # zlib recognizes the header by itself: that of gzip or its own

# How many values an answer may have: in a worker, where this many take about 70 MB, and in an event loop, which is
# blocked for about 70 ms by this many. A list of a hundred runs has 2,000 values.
MAX_VALUES = 500_000
MAX_VALUES_IN_LOOP = 50_000
# Text that is not closed ends with the body. Otherwise the search would begin again at each quotation mark in
# it, which takes quadratic time.
_TEXT = re.compile(rb'"(?:[^"\\]|\\.?)*+(?:"|\Z)', re.DOTALL)


class AnswerBody:
    """
    Collects a body and decompresses it.

    :param encoding: Value of the header ``Content-Encoding``, or empty.
    :param max_values: How many values the JSON in it may have.

    *flaw* says why the body cannot be used; it is empty as long as the body can be used. When it is set, stop reading.
    """

    def __init__(self, encoding: str, max_values: int) -> None:
        self.flaw = ""
        self._max_values = max_values
        self._encoding = encoding.strip().lower()
        self._received = self._size = 0
        self._pieces: list[bytes] = []
        self._inflater = zlib.decompressobj(_ANY_HEADER) if self._encoding in _COMPRESSED else None
        if self._inflater is None and self._encoding not in ("", "identity"):
            self.flaw = f"is encoded as {self._encoding[:40]!r}, which was not asked for"

    def add(self, data: bytes) -> None:
        """Add bytes that have arrived."""
        self._received += len(data)
        if data and self._inflater and self._inflater.eof:
            self.flaw = f"continues after the end of its {self._encoding} data"
            return
        try:
            # One byte above the limit is enough to see that the body is too long.
            piece = self._inflater.decompress(data, LONGEST_BODY + 1 - self._size) if self._inflater else data
        except zlib.error:
            self.flaw = f"is not the {self._encoding} data that it claims to be"
            return
        self._size += len(piece)
        self._pieces.append(piece)
        if max(self._received, self._size) > LONGEST_BODY:
            self.flaw = f"is longer than {LONGEST_BODY // 2**20} MB"

    def end(self) -> bytes:
        """Return the whole body after its last byte has arrived, or only the beginning of a body with a flaw."""
        if self._inflater and self._received and not self._inflater.eof and not self.flaw:
            self.flaw = f"ends within its {self._encoding} data"
        body = b"".join(self._pieces)
        if not self.flaw and _has_more_values(body, self._max_values):
            self.flaw = f"holds more than {self._max_values:,} values"
        return body[:BEGINNING] if self.flaw else body


def _has_more_values(body: bytes, most: int) -> bool:
    """Return whether the JSON in a body has more than *most* values, by counting separators. Fast for any body."""
    if len(body) <= most or _separators(body) <= most:
        return False
    return _separators(_TEXT.sub(b"", body, count=most)) > most  # text may have separators, such as the commas of SQL


def _separators(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))

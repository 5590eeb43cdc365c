"""A StatsD server that records what Airflow sends."""

from __future__ import annotations

import re
import socket
from collections import Counter
from collections.abc import Iterator

LINE = re.compile(r"airflow\.(mparticle\.[a-z.]+)((?:,\w+=[^,:|]+)*):([\d.]+)\|(\w+)")


class StatsdServer:
    """A socket that keeps every received message."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def metrics(self) -> Counter[tuple[str, str]]:
        """Return the totals of our metrics by name and tags. Durations are in ms."""
        sums: Counter[tuple[str, str]] = Counter()
        for name, tags, value, _ in LINE.findall("\n".join(self._datagrams())):
            sums[name, tags.lstrip(",")] += float(value)
        return sums

    def _datagrams(self) -> Iterator[str]:
        while True:
            try:
                yield self._socket.recv(65536).decode()
            except BlockingIOError:
                return

    def close(self) -> None:
        """Free the port."""
        self._socket.close()

"""A plugin of proxy.py, a real proxy. It resolves every host name to this machine, so a test needs no name server."""

from __future__ import annotations

from proxy.http.proxy import HttpProxyBasePlugin


class LoopbackNames(HttpProxyBasePlugin):
    """Resolves every name to 127.0.0.1."""

    def resolve_dns(self, host: str, port: int) -> tuple[str, None]:
        """Return the address to connect to, and no source address."""
        return "127.0.0.1", None

"""
Reads from the environment which proxies and which certificates this process uses.

Both drivers use it, so that a worker and a triggerer with the same environment reach the same hosts.
Must not know any HTTP library.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import ipaddress
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from airflow_provider_mparticle.client.errors import ConfigError

# The first of these that is set names a file or a folder of certificates, which replace those of the system.
BUNDLE_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# If none of the above is set, these two count, both of them. OpenSSL defines the names.
OPENSSL_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")

# Timeout for one connection attempt. A host with several addresses gets one attempt per address.
CONNECT_TIMEOUT_S = 10.0

DEFAULT_PORTS = {"http": 80, "https": 443}

_PORT = re.compile(r"\d{1,5}", re.ASCII)
_LABEL = r"[A-Za-z0-9_-]{1,63}"
_HOST = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*")


@dataclass(frozen=True)
class Proxy:
    """
    A proxy. Its address is kept without the login that was in it.

    :param url: Scheme, host and port.
    :param variable: The environment variable that has its address.
    :param authorization: Value of the header ``Proxy-Authorization``, or None.
    """

    url: str
    variable: str
    authorization: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """The headers for the proxy, which must not be sent to any other host."""
        return {"Proxy-Authorization": self.authorization} if self.authorization else {}


class Network:
    """
    The proxies and certificates of one environment.

    :param environ: Environment variables. They are read only once, here.
    :raises ConfigError: A proxy variable is not the address of an HTTP proxy. The message names the variable and does
        not show its value, which may have a password.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._proxies = {scheme: _proxy(environ, scheme) for scheme in DEFAULT_PORTS}
        exceptions = environ.get("no_proxy", environ.get("NO_PROXY", ""))
        self._exceptions = exceptions.lower().replace(",", " ").split()
        self._certificates = _certificates(environ)
        self._proxy_for_origin = functools.cache(self._find_proxy)  # so that a poll need not parse addresses

    def proxy_for(self, url: str) -> Proxy | None:
        """Return the proxy for an address, or None to connect directly, as always to this machine itself."""
        return self._proxy_for_origin("/".join(url.split("/", 3)[:3]))

    def _find_proxy(self, origin: str) -> Proxy | None:
        parts = urlsplit(origin)
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS.get(parts.scheme)
        if is_loopback(host) or any(_matches(exception, host, port) for exception in self._exceptions):
            return None
        return self._proxies.get(parts.scheme)

    def proxy_headers(self, url: str) -> dict[str, str]:
        """Return the headers for the proxy with this address."""
        return next((proxy.headers for proxy in self._proxies.values() if proxy and proxy.url == url), {})

    def tls_context(self) -> ssl.SSLContext:
        """
        Return the settings for encrypted connections. Reads files, which can take 100 ms.

        :raises ConfigError: A variable names a file that is missing or has no certificate.
        """
        context = _trusting(self._certificates) or _trusting_the_system()
        context.set_alpn_protocols(["http/1.1"])
        return context

    @property
    def trust(self) -> str:
        """Which certificates this process trusts, and how to change that: a sentence for error messages."""
        named = " and ".join(f"{variable}={path}" for variable, path in self._certificates)
        return (
            f"This process trusts the certificates of {named or 'the system'}. If your network replaces certificates, "
            f"set {BUNDLE_VARIABLES[0]} (or {', '.join((*BUNDLE_VARIABLES[1:], *OPENSSL_VARIABLES))}) to a file with "
            "the certificate of your own authority, for workers and for triggerers."
        )


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine: ``localhost``, a name below it, or an address of the loopback range."""
    if host.rstrip(".").rpartition(".")[2] == "localhost":
        return True
    with contextlib.suppress(ValueError):
        address = ipaddress.ip_address(host)
        return (getattr(address, "ipv4_mapped", None) or address).is_loopback
    return False


def _proxy(environ: Mapping[str, str], scheme: str) -> Proxy | None:
    """Return the proxy for a scheme: the variable of the scheme before ``all_proxy``, lower case before upper case."""
    for name in (f"{scheme}_proxy", "all_proxy"):
        variable = name if name in environ else name.upper()
        if value := environ.get(variable, "").strip():
            return _parsed_proxy(variable, value)
    return None


def _parsed_proxy(variable: str, value: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = parts.port or DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        raise _bad_proxy(variable) from None  # the cause would show a part of the value
    if parts.scheme.startswith("socks"):
        raise ConfigError(
            f"{variable} names a SOCKS proxy, which is not supported. Set it to the address of an HTTP proxy, "
            "or add mParticle's hosts to NO_PROXY. Nothing was sent to mParticle."
        )
    extra = parts.path.strip("/") or parts.query or parts.fragment  # also a part of a password with / ? or #
    if parts.scheme not in DEFAULT_PORTS or extra or not _HOST.fullmatch(parts.hostname or ""):
        raise _bad_proxy(variable)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return Proxy(f"{parts.scheme}://{host}:{port}", variable, _basic(parts))


def _bad_proxy(variable: str) -> ConfigError:
    return ConfigError(
        f"{variable} is not the address of a proxy, such as http://proxy.example.com:3128. In a user name or password, "
        "write special characters as %XX, for example %40 for @. Nothing was sent to mParticle."
    )


def _basic(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(login.encode(errors='surrogateescape')).decode()}"


def _matches(exception: str, host: str, port: int | None) -> bool:
    """
    Return whether an entry of ``NO_PROXY`` names a host.

    An entry is ``*``, a host name, an address, or a network such as ``10.0.0.0/8``. A host name includes all names
    below it; a leading dot or ``*.`` makes no difference. A name or an address may have a port.
    """
    if exception == "*":
        return True
    name, its_port = _without_port(exception)
    if its_port is not None and its_port != port:
        return False
    host, name = host.lower().rstrip("."), name.removeprefix("*").strip(".")
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host) in ipaddress.ip_network(name, strict=False)
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _without_port(exception: str) -> tuple[str, int | None]:
    name, colon, port = exception.rpartition(":")
    if colon and _PORT.fullmatch(port) and (":" not in name or name.endswith("]")):
        return name.strip("[]"), int(port)
    return exception.strip("[]"), None


def _certificates(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """Return the variables that count, each with its path."""
    for variable in BUNDLE_VARIABLES:
        if path := environ.get(variable):
            return [(variable, path)]
    file, folders = (environ.get(variable, "") for variable in OPENSSL_VARIABLES)
    named = [(OPENSSL_VARIABLES[0], file), *((OPENSSL_VARIABLES[1], path) for path in folders.split(os.pathsep))]
    return [(variable, path) for variable, path in named if path]


def _trusting_the_system() -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not context.cert_store_stats()["x509_ca"]:  # a small container image may have no certificates
        with contextlib.suppress(ImportError):
            import certifi  # comes with requests

            context.load_verify_locations(certifi.where())
    return context


def _trusting(certificates: list[tuple[str, str]]) -> ssl.SSLContext | None:
    context: ssl.SSLContext | None = None
    for variable, path in certificates:
        file, folder = (None, path) if Path(path).is_dir() else (path, None)
        try:
            if context is None:
                context = ssl.create_default_context(cafile=file, capath=folder)
            else:
                context.load_verify_locations(file, folder)
        except OSError as error:  # including ssl.SSLError
            reason = "is missing" if isinstance(error, FileNotFoundError) else f"has no readable certificate ({error})"
            raise ConfigError(
                f"{variable} names {path!r}, which {reason}. Correct the variable where this process runs; workers and "
                "triggerers need the same value. Nothing was sent to mParticle."
            ) from error
    return context

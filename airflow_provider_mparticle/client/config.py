"""Holds and checks what a client must know before it can send a call: credentials, workspace, addresses, names."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.paths import path_flaw
from airflow_provider_mparticle.client.routes import DEFAULT_ROUTES
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.client.run_states import RUN_STATES, Progress
from airflow_provider_mparticle.client.shown import shown

# Platform API overview, "Authentication". Neither changes with the data region.
DEFAULT_TOKEN_URL = "https://sso.auth.mparticle.com/oauth/token"  # noqa: S105 - an address, not a token
DEFAULT_AUDIENCE = "https://api.mparticle.com"
DEFAULT_BASE_URL = "https://api.mparticle.com"
DEFAULT_APP_LINK = "https://app.mparticle.com"

# mParticle tests a new connection before it answers: 9.6 s in the screenshots of its documentation.
DEFAULT_TIMEOUT_S = 60.0
# A longer timeout is a mistake, and sockets refuse very large ones.
LONGEST_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Credentials:
    """OAuth client credentials. Configurations with equal credentials share one token."""

    client_id: str
    client_secret: str = field(repr=False)
    token_url: str = DEFAULT_TOKEN_URL
    audience: str = DEFAULT_AUDIENCE


@dataclass(frozen=True)
class ApiConfig:
    """
    One workspace of mParticle, and how to reach it.

    :param credentials: OAuth client credentials of an mParticle API user.
    :param workspace_id: Id of the workspace.
    :param account_id: Id of the account, for calls of the Platform API (v1). Without it, these calls are refused.
    :param base_url: Address of the API without a path: ``https``, or ``http`` to this machine only.
    :param timeout_s: Seconds to wait for one answer.
    :param routes: Path templates by name, see :mod:`~airflow_provider_mparticle.client.routes`.
    :param run_fields: Field names of a run, see :mod:`~airflow_provider_mparticle.client.run_fields`.
    :param run_states: Meaning of run states, see :mod:`~airflow_provider_mparticle.client.run_states`.
    :param app_link: Address of a pipeline in mParticle's web app, a template with ``{workspace_id}`` and
        ``{pipeline_id}``. Default: the start page, since mParticle does not document the address of a pipeline.
    :param warehouse_namespace: OpenLineage's name of the warehouse that the workspace's pipelines read. Default: none.
    :param origin: Where these values come from, for error messages.
    :param hint: What the user may have to correct there although every value is valid, as a sentence. Default: nothing.
    """

    credentials: Credentials
    workspace_id: int
    account_id: int | None = None
    base_url: str = DEFAULT_BASE_URL
    timeout_s: float = DEFAULT_TIMEOUT_S
    routes: Mapping[str, str] = field(default_factory=lambda: DEFAULT_ROUTES, repr=False)
    run_fields: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: RUN_FIELDS, repr=False)
    run_states: Mapping[str, Progress] = field(default_factory=lambda: RUN_STATES, repr=False)
    app_link: str = DEFAULT_APP_LINK
    warehouse_namespace: str = ""
    origin: str = "this configuration"
    hint: str = field(default="", compare=False, repr=False)

    def __post_init__(self) -> None:
        """
        Refuse values with which every call would fail.

        :raises ConfigError: An address is malformed or would get the credentials without encryption, or the timeout is
            out of its range. The message names the field.
        """
        for name, url in (("host", self.base_url), ("token_url", self.credentials.token_url)):
            if "@" in url:
                raise ConfigError(f"{name} of {self.origin} must not carry a user name or a password")
            if not is_safe(url) or (name == "host" and "?" in url):
                raise ConfigError(
                    f"{name} of {self.origin} must start with https:// (http:// is for this machine only) and be a "
                    f"valid address without '#'{' or a query' if name == 'host' else ''}, not {shown(url)}"
                )
        if not 0 < self.timeout_s <= LONGEST_TIMEOUT_S:
            raise ConfigError(
                f"timeout of {self.origin} must be a number of seconds above 0, at most {LONGEST_TIMEOUT_S:.0f}, "
                f"not {self.timeout_s!r}"
            )

    def has_new_credentials(self, former: ApiConfig) -> bool:
        """Return whether this is *former* with other credentials, so that a task may go on with it."""
        return self.credentials != former.credentials and self == replace(former, credentials=self.credentials)


# One part of a host's name, between dots. RFC 1035, section 2.3.4.
_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_HOST = 253


def is_safe(url: str) -> bool:
    """Return whether *url* is valid and credentials may be sent to it: over TLS, or within this machine."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port  # a malformed port raises an error here
    except ValueError:
        return False
    if parts.username or parts.password or port == 0 or not _is_host(host):
        return False
    if not url.isascii() or not url.isprintable() or " " in url or "#" in url or path_flaw(parts.path or "/"):
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))


def _is_host(host: str) -> bool:
    if ":" in host:  # an IPv6 address; urlsplit has checked its brackets
        return _address(host) is not None
    return len(host) <= _LONGEST_HOST and all(map(_LABEL.fullmatch, host.removesuffix(".").split(".")))


def _is_loopback(host: str) -> bool:
    # Stricter than network.is_loopback: a DNS server may send a name below "localhost" to another machine.
    address = _address(host)
    return address.is_loopback if address else host == "localhost"


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def web_app(app_link: str) -> str:
    """Return the start page of the web app, from the address of a pipeline in it."""
    parts = urlsplit(app_link)
    return f"{parts.scheme}://{parts.netloc}"

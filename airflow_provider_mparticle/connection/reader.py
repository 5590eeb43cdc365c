"""Reads an Airflow connection into the client's configuration, and refuses invalid fields before a request."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from string import Formatter
from typing import TYPE_CHECKING, Any

from airflow_provider_mparticle.client.config import (
    DEFAULT_AUDIENCE,
    DEFAULT_TIMEOUT_S,
    DEFAULT_TOKEN_URL,
    LONGEST_TIMEOUT_S,
    ApiConfig,
    Credentials,
)
from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.routes import route_table
from airflow_provider_mparticle.client.run_fields import RUN_FIELDS
from airflow_provider_mparticle.client.run_states import RUN_STATES, Progress, state_word
from airflow_provider_mparticle.client.secrets import Mask
from airflow_provider_mparticle.client.shown import shown
from airflow_provider_mparticle.client.spelling import meant_by
from airflow_provider_mparticle.connection.form import EXTRA_FIELDS, PODS

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Connection

log = logging.getLogger(__name__)

# Accepted placeholders of app_link, as string.Formatter parses them: name, format, conversion.
_APP_LINK_PARTS = {(None, None, None), ("workspace_id", "", None), ("pipeline_id", "", None)}


def api_config(conn: Connection, extra: Mapping[str, Any]) -> ApiConfig:
    """
    Read the fields of an Airflow connection.

    :param conn: The connection.
    :param extra: Its extra as a dict. It is a separate argument, because an event loop must read it asynchronously.
    :raises ConfigError: A field is missing or malformed. The message names the field and the connection.
    """
    try:
        config = _api_config(conn, extra)
        if config.hint:
            log.warning("%s has a key that is ignored.%s", config.origin, config.hint)
        return config
    except ConfigError as error:
        failure = ConfigError(_without(conn.password, str(error)))
    raise failure  # outside of the handler, so that a logged traceback does not show the unmasked cause


def missing_connection(conn_id: str) -> ConfigError:
    """Return the error for an Airflow connection that does not exist, or that Airflow cannot read."""
    if (variable := f"AIRFLOW_CONN_{str(conn_id).upper()}") in {*os.environ}:
        return ConfigError(
            f"Airflow cannot read Airflow connection {conn_id!r} from the environment variable {variable}. Write it as "
            "JSON with the fields conn_type, login, password, host and extra; in a URI, percent-encode every part. "
            "Nothing was sent to mParticle."
        )
    return ConfigError(
        f"Airflow connection {conn_id!r} does not exist. Create it, or correct the id. Nothing was sent to mParticle."
    )


def _without(password: Any, text: str) -> str:
    """Mask the client secret in a message, because it may also be in a wrong field."""
    is_distinct = len(str(password or "").strip()) >= SHORTEST_HIDDEN
    return Mask([password] if is_distinct else [])(text)


def _api_config(conn: Connection, extra: Mapping[str, Any]) -> ApiConfig:
    if not isinstance(extra, Mapping):
        raise ConfigError(
            f"The extra of Airflow connection {conn.conn_id!r} is not a JSON object. Nothing was sent to mParticle."
        )
    fields = _Fields(f"Airflow connection {conn.conn_id!r}", extra, hint := _hint(conn, extra))
    return ApiConfig(
        credentials=Credentials(
            client_id=fields.required("login (the client id)", conn.login),
            client_secret=fields.required("password (the client secret)", conn.password),
            token_url=fields.text("token_url", DEFAULT_TOKEN_URL),
            audience=fields.text("audience", DEFAULT_AUDIENCE),
        ),
        workspace_id=fields.number("workspace_id", fields.required("workspace_id", extra.get("workspace_id"))),
        account_id=fields.optional_number("account_id"),
        base_url=_base_url(fields, conn, pod := fields.choice("pod", PODS)),
        timeout_s=fields.seconds("timeout", DEFAULT_TIMEOUT_S),
        routes=fields.checked("routes", route_table),
        run_fields=fields.checked("run_fields", _run_fields),
        run_states=fields.checked("run_states", _run_states),
        app_link=_app_link(fields, fields.text("app_link", _address("app", pod))),
        warehouse_namespace=fields.text("warehouse_namespace", ""),
        origin=fields.origin,
        hint=hint,
    )


# To mask a shorter client secret would hide normal words of a message.
SHORTEST_HIDDEN = 6

# Number of digits that always fit into 64 bits.
LONGEST_ID = 18


class _Fields:
    """Reads the extra fields of a connection. Every error names the field and the connection."""

    def __init__(self, origin: str, extra: Mapping[str, Any], hint: str) -> None:
        self.origin = origin
        self._extra = extra
        self._hint = hint

    def given(self, name: str) -> Any:
        """Return the value of a field, or None if the form left it empty."""
        value = self._extra.get(name)
        return None if value == "" else value

    def required(self, label: str, value: Any) -> Any:
        if value is None or not str(value).strip():
            raise ConfigError(f"{self.origin} has no {label}.{self._hint} Nothing was sent to mParticle.")
        return value

    def text(self, name: str, default: str) -> str:
        value = self.given(name)
        if value is not None and not isinstance(value, str):
            raise self.malformed(name, "text", value)
        return (value or "").strip() or default

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Read one of several words, in upper or lower case. The first word is the default."""
        word = self.text(name, choices[0]).lower()
        if word not in choices:
            raise self.malformed(name, f"one of {', '.join(choices)}", self.given(name))
        return word

    def number(self, name: str, value: Any) -> int:
        text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if not (text.isascii() and text.isdecimal() and len(text) <= LONGEST_ID):
            raise self.malformed(name, f"a whole number of at most {LONGEST_ID} digits", value)
        return int(text)

    def optional_number(self, name: str) -> int | None:
        return None if (value := self.given(name)) is None else self.number(name, value)

    def seconds(self, name: str, default: float) -> float:
        value = self.given(name)
        try:
            read = default if value is None else float(value)
        except (TypeError, ValueError, OverflowError):
            read = 0.0
        if isinstance(value, bool) or not 0 < read <= LONGEST_TIMEOUT_S:
            raise self.malformed(name, f"a number of seconds above 0 and up to {LONGEST_TIMEOUT_S:.0f}", value)
        return read

    def checked(self, name: str, check: Any) -> Any:
        """Read a field that is a JSON object or its text, and return what *check* makes of it."""
        value = self.given(name)
        try:
            read = json.loads(value or "{}") if isinstance(value, str | None) else value
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, Mapping):
            raise self.malformed(name, "a JSON object", value)
        try:
            return check(read)
        except ConfigError as error:
            raise ConfigError(f"{self.origin}: {error}. Nothing was sent to mParticle.") from error

    def malformed(self, name: str, wanted: str, value: Any) -> ConfigError:
        return ConfigError(
            f"{name} of {self.origin} must be {wanted}, not {shown(value)}. Nothing was sent to mParticle."
        )


def _hint(conn: Connection, extra: Mapping[str, Any]) -> str:
    """
    Return what the user may have to correct in the extra, or nothing.

    A key that is not a field is not refused, because users keep keys of their own in an extra.
    """
    if not extra and not _is_json(conn.extra):
        return " Its extra is not JSON, so no field of it can be read."
    absent = [name for name in EXTRA_FIELDS if extra.get(name) in (None, "")]
    meant = {key: name for key in extra if key not in EXTRA_FIELDS and (name := meant_by(key, absent))}
    return "".join(f" Its extra has {key!r}, which is not a field: is {name} meant?" for key, name in meant.items())


def _is_json(text: Any) -> bool:
    try:
        json.loads(text or "{}")
    except (RecursionError, TypeError, ValueError):
        return False
    return True


def _base_url(fields: _Fields, conn: Connection, pod: str) -> str:
    host = str(conn.host or "").strip() or _address("api", pod)
    url = (host if "://" in host else f"{conn.schema or 'https'}://{host}").rstrip("/")
    if not conn.port:
        return url
    if "/" in url.partition("://")[2]:
        raise fields.malformed("host", "an address without a path where the field port is set", host)
    return f"{url}:{conn.port}"


def _app_link(fields: _Fields, template: str) -> str:
    """Return the template of a pipeline's address in mParticle's web app, if it is valid."""
    try:
        is_valid = {part[1:] for part in Formatter().parse(template)} <= _APP_LINK_PARTS
    except ValueError:  # an unbalanced brace
        is_valid = False
    if not is_valid or not template.startswith("https://"):
        raise fields.malformed(
            "app_link", "an https:// address with no other placeholders than {workspace_id} and {pipeline_id}", template
        )
    return template


def _address(name: str, pod: str) -> str:
    """Return the address of a host. It contains the name of the pod, except for us1."""
    return f"https://{name}.mparticle.com" if pod == PODS[0] else f"https://{name}.{pod}.mparticle.com"


def _run_states(given: Mapping[str, Any]) -> dict[str, Progress]:
    meanings = [str(progress) for progress in Progress]
    for word, meaning in given.items():
        if meaning not in meanings:
            raise ConfigError(f"run_states: {shown(word)} must mean one of {', '.join(meanings)}, not {shown(meaning)}")
    return {**RUN_STATES, **{state_word(word): Progress(meaning) for word, meaning in given.items()}}


def _run_fields(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    for field, names in given.items():
        if field not in RUN_FIELDS:
            raise ConfigError(
                f"run_fields: {shown(field)} is not a field of a run. The fields are {', '.join(RUN_FIELDS)}"
            )
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ConfigError(f"run_fields: {field} must be a list of names, not {shown(names)}")
    return {field: (*given.get(field, ()), *names) for field, names in RUN_FIELDS.items()}

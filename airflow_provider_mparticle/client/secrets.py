"""
Decides which fields are secret, and keeps secrets out of messages, results and documents.

A secret is recognized by the name of its field. In the ``config`` of a warehouse connection, whose fields depend on the
provider, only listed fields may be shown. Must not know what an answer or a document means.
"""

from __future__ import annotations

import base64
import codecs
import html
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from html.entities import codepoint2name
from typing import Any
from urllib.parse import unquote

from airflow_provider_mparticle.client.storable import storable_text

HIDDEN = "***"

# Parts of names, without separators and in lower case: those that Airflow masks, and the names that warehouses use.
_SECRET_PARTS = re.compile(
    "password|passwd|passphrase|passcode|secret|token|credential|authorization|authheader|bearer|apikey|accesskey"
    "|privatekey|servicekey|keyfile|serviceaccount|connectionstring|webhookurl|signature|cookie"
)
# Whole words of a name.
_SECRET_WORDS = frozenset({"pass", "pwd", "pat", "dsn", "pem", "jwt", "sas", "proxy", "proxies", "keytab", "keystore"})
# The last word of a name of several words: partner_feed_key, apiKeys.
_KEYS = frozenset({"key", "keys"})
# Names that look like the name of a secret, but are not. Warehouse Sync API reference (v1), BigQuery.
_PUBLIC = frozenset({"service_account_id"})

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# The fields that may be shown of the config of a connection or a data model. Warehouse Sync API reference, "Create a
# connection", and the public fields of a Databricks connection.
SHOWN_CONFIG = frozenset(
    {
        *("account_identifier", "region", "warehouse", "database", "role", "user", "storage_integration"),
        *("aws_iam_user_arn", "aws_external_id", "aws_iam_role_arn", "host", "port", "schema"),
        *("project_id", "dataset_id", "service_account_id"),
        *("server_hostname", "http_path", "catalog", "workspace_url"),
        "sql_query",
    }
)


def is_secret_name(name: object) -> bool:
    """Return whether a field of this name is secret."""
    if name in _PUBLIC:
        return False
    words = [word.lower() for word in _WORDS.findall(str(name))]
    if _SECRET_PARTS.search("".join(words)) or not _SECRET_WORDS.isdisjoint(words):
        return True
    return len(words) > 1 and words[-1] in _KEYS


def is_secret_place(place: str) -> bool:
    """Return whether a field is secret. *place* has the names of the fields that lead to it, joined with dots."""
    return any(map(is_secret_name, place.split(".")))


def is_hidden(place: str) -> bool:
    """
    Return whether a field of a resource must not be shown.

    :param place: The names of the fields that lead to it, joined with dots: ``"config.password"``.
    """
    names = place.split(".")
    return is_secret_place(place) or (names[0] == "config" and len(names) > 1 and names[1] not in SHOWN_CONFIG)


def secrets_in(value: Any, place: str = "", *, is_secret: bool = False) -> Iterator[tuple[str, Any]]:
    """
    Yield every secret in a description, a document or a body, with its place.

    :param value: Dicts and lists of any depth. All values in a dict or a list with a secret name are secrets.
    :param place: The names of the fields that lead to *value*.
    :param is_secret: Whether one of these names is secret.
    """
    if isinstance(value, Mapping):
        for name, part in value.items():
            below = f"{place}.{name}" if place else str(name)
            yield from secrets_in(part, below, is_secret=is_secret or is_secret_name(name))
    elif isinstance(value, list | tuple):
        for number, part in enumerate(value):
            yield from secrets_in(part, f"{place}[{number}]", is_secret=is_secret)
    elif is_secret and value is not None and not isinstance(value, bool):
        yield place, value


def without_secrets(value: Any) -> Any:
    """Return *value* as JSON, without the fields whose name is secret."""
    if isinstance(value, Mapping):
        return {name: without_secrets(part) for name, part in value.items() if not is_secret_name(name)}
    if isinstance(value, list | tuple):
        return [without_secrets(part) for part in value]
    return value


def without_hidden(resource: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the fields of a resource that may be shown, as JSON: no secrets, and of ``config`` only the public fields.

    :param resource: Its fields, with mParticle's names.
    """
    fields: dict[str, Any] = without_secrets(resource)
    config = fields.get("config")
    if isinstance(config, Mapping):
        fields["config"] = {name: part for name, part in config.items() if not is_hidden(f"config.{name}")}
    return fields


def hidden_values(body: Any) -> Iterator[str]:
    """
    Yield the values of a body that must not be shown, to mask them in an answer that repeats them.

    :param body: The JSON of a request, or None.
    """
    for _, secret in secrets_in(body):
        yield str(secret)
    config = body.get("config") if isinstance(body, Mapping) else None
    for name, part in config.items() if isinstance(config, Mapping) else ():
        if is_hidden(f"config.{name}"):
            yield from (
                str(value) for _, value in secrets_in(part, is_secret=True) if len(str(value)) >= Mask.SHORTEST_PART
            )


class Mask:
    """
    Replaces secrets in a text by ``***``, even if they are escaped as in JSON, HTML, an address or Python.

    In a secret of several lines each line is masked, and in a secret that is JSON each text in it.

    :param secrets: The secrets; blank ones are ignored.
    """

    # A shorter part of a secret is masked only together with the whole, since it may occur in any text.
    SHORTEST_PART = 4
    # A longer part is masked in pieces, which keeps the pattern small.
    LONGEST_PART = 128
    # So many letters and digits of a secret do not occur in another text by chance.
    SHORTEST_CORE = 8
    # The longest escape of one character: an escaped surrogate pair with several backslashes.
    _LONGEST_ESCAPE = 20

    def __init__(self, secrets: Iterable[object]) -> None:
        self._given = [*secrets]

    def __call__(self, text: str, limit: int = 2000) -> str:
        """
        Return *text* with its secrets masked, or ``***`` if a secret could still be read in it.

        :param limit: How many characters of *text* are read. The rest is cut off, never in the middle of a secret.
        """
        text = storable_text(text[: limit + self.LONGEST_PART * self._LONGEST_ESCAPE])
        masked = self._masked(text, limit)
        return HIDDEN if self._is_readable_in(masked) else masked

    def _masked(self, text: str, limit: int) -> str:
        cut, at = list[str](), 0
        for found in self._pattern.finditer(text) if self._secrets else ():
            if found.start() >= limit:
                break
            cut += text[at : found.start()], HIDDEN
            at = found.end()
        return "".join((*cut, text[at:limit]))

    def _is_readable_in(self, text: str) -> bool:
        """Return whether a secret can still be read in a text, since the pattern does not know how it is escaped."""
        cores = [core for secret in self._secrets if len(core := _core(secret)) >= self.SHORTEST_CORE]
        return any(core in _core(reading) for reading in _readings(text) for core in cores) if cores else False

    @cached_property
    def _secrets(self) -> list[str]:
        return [storable_text(str(secret)) for secret in self._given if str(secret).strip()]

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = {part for secret in self._secrets for text in _texts(secret) for part in self._parts(text)}
        return re.compile("|".join(_any_escape(part) for part in sorted(parts, key=len, reverse=True)), re.IGNORECASE)

    def _parts(self, secret: str) -> Iterator[str]:
        whole = secret.strip()
        lines = [line for line in map(str.strip, secret.splitlines()) if len(line) >= self.SHORTEST_PART]
        for line in (whole, *lines):
            for start in range(0, len(line), self.LONGEST_PART):
                yield line[start : start + self.LONGEST_PART].strip()


def _texts(secret: str) -> Iterator[str]:
    """Yield a secret, and the texts in it if it is JSON, such as the key file of a service account."""
    yield secret
    if secret.lstrip().startswith(("{", "[")):
        try:
            inner = json.loads(secret)
        except (ValueError, RecursionError):
            return
        for _, text in secrets_in(inner, is_secret=True):
            if len(str(text)) >= Mask.SHORTEST_PART:
                yield str(text)


def _core(text: str) -> str:
    """Return the letters and digits of a text, without case and accents, so that a line break cannot hide a secret."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(filter(str.isalnum, plain))


def _readings(text: str) -> Iterator[str]:
    """Yield a text, and the texts that result from undoing its escapes, tags, base64 or hexadecimal digits."""
    yield text
    plain = html.unescape(unquote(text))
    plain = _CODE_ESCAPES.sub(lambda found: chr(int(next(filter(None, found.groups())), 16)), plain)
    yield plain
    yield plain.encode("latin-1", "ignore").decode(errors="ignore")  # UTF-8 that was decoded as Latin-1
    yield html.unescape(_TAG.sub("", text))
    for coded in _BASE64.findall(text):
        yield base64.b64decode(coded[: len(coded) // 4 * 4], b"-_").decode("utf-8", "replace")
    for coded in _HEX.findall(text):
        yield bytes.fromhex(coded).decode("utf-8", "replace")


# How JavaScript and CSS may escape a character: \x61, \u0061, \u{61}, \61 and a space.
_CODE_ESCAPES = re.compile(
    r"\\{1,8}(?:x([0-9a-f]{2})|u([0-9a-f]{4})|u\{([0-9a-f]{1,5})\}|0{0,4}([0-9a-f]{2}) )", re.IGNORECASE
)
_TAG = re.compile("<[^<>]*>")
_BASE64 = re.compile("[A-Za-z0-9+/_-]{8,}={0,2}")
_HEX = re.compile("(?:[0-9a-fA-F]{2}){8,}")

_RUNS = re.compile(r"\\+|\s+|.", re.DOTALL)
# Backslashes before an escaped character: 1, 3 or 7, since each encoder doubles them. Limited, since a text of
# backslashes would take quadratic time otherwise.
_BACKSLASHES = r"\\{1,8}"


def _any_escape(text: str) -> str:
    """Return a pattern for *text* in any mixture of escapes."""
    return "".join(_run_pattern(run) for run in _RUNS.findall(text))


def _run_pattern(run: str) -> str:
    if run.startswith("\\"):  # each encoder doubles them, and the pattern accepts any number of encoders
        return rf"(?:{_escapes(run[0])}){{1,{8 * len(run)}}}"
    if run.isspace():  # HTML collapses spaces, and forms send a plus instead of a space
        any_space = "|".join((r"\s", "&nbsp;", rf"{_BACKSLASHES}[nrtvf]", *map(_escapes, sorted(set(run)))))
        as_form = "".join(rf"(?:\+|{_escapes(' ')})" if one == " " else f"(?:{_escapes(one)})" for one in run)
        return rf"(?:(?:{any_space}){{1,{len(run) + 16}}}|{as_form})"
    return run if run.isascii() and run.isalnum() else rf"(?:{_escapes(run)})"


def _escapes(character: str) -> str:
    """Return the alternatives for one character: itself, and its escapes in JSON, Python, addresses and HTML."""
    number = ord(character)
    units = codecs.utf_16_be_encode(character)[0].hex()  # "character.encode" would import a module at its first call
    json_escape = "".join(f"{_BACKSLASHES}u{units[at : at + 4]}" for at in range(0, len(units), 4))
    percent = "".join(f"%(?:25){{0,4}}{byte:02x}" for byte in character.encode())
    entity = f"&(?:amp;){{0,4}}(?:#0{{0,6}}{number}|#x0{{0,6}}{number:x}|{codepoint2name.get(number, '-')});"
    before = "" if character == "\\" else r"\\{0,8}"
    forms = [
        f"{before}(?:{re.escape(character)}|(?i:{percent}|{entity}))",
        f"(?i:{json_escape}|{_BACKSLASHES}(?:x{number:02x}|U{number:08x}))",
    ]
    if character == "\ufffd":  # replaces a character that cannot be stored
        forms.append(rf"(?i:{_BACKSLASHES}(?:u(?:d[89a-f][0-9a-f]{{2}}|0000)|x00|0)|%(?:25){{0,4}}00|&#x?0+;)")
    return "|".join(forms)

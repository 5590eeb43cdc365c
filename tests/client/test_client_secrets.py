"""Which fields are secret, and that a secret is masked however it is escaped."""

from __future__ import annotations

import base64
import html
import json
import time
import unicodedata
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from exchanges import TRIGGER, refused, said
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client import endpoints
from airflow_provider_mparticle.client.endpoints import Scope
from airflow_provider_mparticle.client.secrets import Mask, is_secret_name, secrets_in, without_hidden
from airflow_provider_mparticle.client.storable import storable_text


@pytest.mark.parametrize(
    "name",
    [
        *("password", "passwd", "private_key_passphrase", "apiKey", "credentials", "pat", "token", "clientSecret"),
        *("service_account_key", "partner_feed_key", "access_key_id", "connection_string", "dsn", "authorization"),
    ],
)
def test_a_secret_is_known_by_its_name(name: str) -> None:
    """The names are those that Airflow masks, and the names that warehouses use."""
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name", ["user", "platform", "service_account_id", "data_plan_id", "account_identifier", "key"]
)
def test_other_names_are_shown(name: str) -> None:
    """A plan that hides everything is useless."""
    assert not is_secret_name(name)


def test_of_a_config_only_public_fields_are_shown() -> None:
    """Its fields depend on the provider, so an unknown one may be a secret."""
    config = {"user": "ADA", "passwd": "p", "flavour": "x", "service_account_key": {"type": "t"}}

    assert {"id": "w", "config": {"user": "ADA"}} == without_hidden({"id": "w", "config": config})


def test_a_dict_or_list_under_a_secret_name_is_wholly_secret() -> None:
    """A key file has harmless names in it."""
    value = {"credentials": {"type": "t"}, "tokens": ["a", {"b": "c"}]}

    assert ["t", "a", "c"] == [secret for _, secret in secrets_in(value)]


ESCAPES: list[Callable[[str], str]] = [
    *(str, json.dumps, lambda text: json.dumps(text, ensure_ascii=False), lambda text: json.dumps(json.dumps(text))),
    *(repr, ascii, html.escape, quote, quote_plus, lambda text: quote(quote(text, safe=""), safe="")),
    *(lambda text: html.escape(json.dumps(text)), lambda text: json.dumps(html.escape(text))),
]
SECRETS = st.text(st.sampled_from("a1Z\"\\/é'<&>%+ \n\t{}~-_.=ß€😀\x7f"), min_size=4, max_size=14).filter(
    lambda text: len(text.strip()) >= 4
)


@settings(max_examples=150)
@given(SECRETS, st.sampled_from(ESCAPES))
def test_no_escape_of_a_secret_is_shown(secret: str, escape: Callable[[str], str]) -> None:
    """Validators quote the value that they refuse, with any encoding."""
    escaped = storable_text(escape(secret.strip()))

    assert escaped.strip("\"'") not in Mask([secret])(f"refused: {escaped} !")


@settings(max_examples=60)
@given(SECRETS)
def test_no_error_shows_a_secret_that_was_sent(secret: str) -> None:
    """Errors end up in logs, XComs and tickets."""
    call = endpoints.request("POST", "/connections", Scope.WORKSPACE, json={"config": {"passwd": [secret]}})

    error = refused(call, said(400, {"errors": [{"message": f"Bad value {json.dumps(secret)} ({secret})."}]}))

    assert secret.strip() not in f"{error} {error!r} {error.facts()}".replace("***", "\0")


def test_each_line_of_a_key_is_hidden() -> None:
    """A parser quotes the one line that it cannot read."""
    key = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n"

    assert "bad line *** in ***" == Mask([key])("bad line kqhkiG9w0BAQEF in MIIEvQIBADANBg")


def test_each_text_in_a_secret_that_is_json_is_hidden() -> None:
    """A service account has one field for its key file, and an answer may quote a part of that file."""
    key_file = json.dumps({"type": "service_account", "keys": [{"private_key_id": "0123456789abcdef"}]})

    assert "no key ***" == Mask([key_file])("no key 0123456789abcdef")
    assert "no key 0123456789abcdef" == Mask(["{" + key_file])("no key 0123456789abcdef")


@pytest.mark.parametrize("body", [b"<" * 60_000, b"<script" * 9000, b"\\" * 60_000, b"[" * 60_000, b"&amp;" * 12_000])
def test_an_error_page_is_read_fast(body: bytes) -> None:
    """It is read in the event loop of the triggerer, where it once blocked a thousand tasks for 13 s."""
    begun = time.process_time()
    refused(TRIGGER, said(503, body))

    assert time.process_time() - begun < 5.0


def _wrapped(text: str) -> str:
    return "\n".join(text[at : at + 6] for at in range(0, len(text), 6))


# These change letters and digits, too. The whole message is hidden then.
CODES: list[Callable[[str], str]] = [
    *(str.upper, str.lower, str.swapcase, _wrapped, lambda text: " ".join(text)),
    *(
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(b"id:" + text.encode()).decode(),
    ),
    *(lambda text: text.encode().hex(), lambda text: repr(text.encode())),
    *(
        lambda text: "".join(f"&#{ord(one)};" for one in text),
        lambda text: "".join(f"&#x{ord(one):x};" for one in text),
    ),
    *(lambda text: "".join(f"%{byte:02X}" for byte in text.encode()), lambda text: "<wbr>".join(text)),
    *(
        lambda text: "".join(f"\\u{ord(one):04x}" for one in text),
        lambda text: "".join(f"\\{ord(one):x} " for one in text),
    ),
    *(lambda text: unicodedata.normalize("NFD", text), lambda text: text.encode().decode("latin-1")),
]


@settings(max_examples=200)
@given(st.text("aZ19é.-_", min_size=10, max_size=40), st.sampled_from(CODES))
def test_no_other_code_of_a_secret_is_shown(secret: str, code: Callable[[str], str]) -> None:
    """Gateways repeat headers in base64, in upper case and in pieces."""
    assume(sum(map(str.isalnum, secret)) >= Mask.SHORTEST_CORE)

    assert code(secret) not in Mask([secret])(f"refused: {code(secret)} !")

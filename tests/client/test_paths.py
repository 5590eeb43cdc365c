"""Paths and ids: none reaches another resource than the one it names, whatever a server decodes."""

from __future__ import annotations

import re
import unicodedata
from enum import Enum
from urllib.parse import quote, unquote

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.errors import ConfigError
from airflow_provider_mparticle.client.paths import check_path, fill_path, is_account, path_flaw, segment_flaw


@pytest.mark.parametrize(
    ("value", "quoted"),
    [
        ("orders-1_x", "orders-1_x"),
        (13325, "13325"),
        ("a b?c#d&e=f", "a%20b%3Fc%23d%26e%3Df"),
        ("a/b", "a%2Fb"),
        ("a\\b", "a%5Cb"),
        ("%2F", "%252F"),
        ("50%", "50%25"),
        ("ä", "%C3%A4"),
        ("{x}", "%7Bx%7D"),
        ("..x", "..x"),
    ],
)
def test_an_odd_id_stays_one_segment_of_the_path(value: object, quoted: str) -> None:
    """An id comes from a template, and could otherwise reach another resource."""
    assert f"/pipelines/{quoted}/trigger" == fill_path("/pipelines/{pipeline_id}/trigger", {"pipeline_id": value})


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", ".", "..", "../admin", "a/..", "a\\..\\b", "%2e%2e", "%252e%252E", "%" + "25" * 60 + "2e"),
        *("..;x", "..?", "..#b", ";", "%3b", "?x"),
        *("\uff0e\uff0e", "\u2025", "a\uff0f..", "a\r\nb", "a\x00", "a%00", "\ud83d", "%c0%ae%c0%ae", "a\u202eb"),
    ],
)
def test_an_id_that_would_name_another_path_is_refused(value: str) -> None:
    """A template that renders to nothing must not turn "delete this pipeline" into a call on all pipelines."""
    with pytest.raises(ConfigError, match=r"^pipeline_id must not be '"):
        fill_path("/pipelines/{pipeline_id}", {"pipeline_id": value})


@pytest.mark.parametrize(
    "path",
    ["/", "/apps", "/apps/", "/apps/5/platforms", "/users/a.b+c@example.com", "/apps?limit=1&x=a.b", "/a%20b", "/..x"],
)
def test_a_plain_path_is_sent(path: str) -> None:
    """Only a path that may be read as another path is refused."""
    assert None is path_flaw(path)


@pytest.mark.parametrize(
    "path",
    [
        *("", "apps", "https://example.com/apps", "@example.com/"),
        *("/users/../accounts/5", "/../platform/v2/x", "/./apps", "/apps/..", "/apps/.", "/..;/apps", "/..;a=b/apps"),
        *("/%2e%2e/accounts", "/%2E./accounts", "/%252e%252e/a", "/x%2f..%2faccounts/5", "/%" + "25" * 900 + "2e"),
        *("/\uff0e\uff0e/a", "/\u2025/a", "/x\uff0f..\uff0fa", "/%u002e%u002e/a", "/%c0%ae%c0%ae/a", "/a%zz", "/50%"),
        *("//example.com/apps", "/apps//5", "/apps%2f%2f5", "/apps\\..\\x", "/apps%5c..%5cx"),
        *("/a#b", "/a%23b", "/a\r\nHost: x", "/a%0d%0aX", "/a\x00", "/a%00", "/a\x7fb", "/a\u2028b", "/a\ud800"),
        *("/users/x?accountId=9", "/users?a=1&accountid=9", "/users?ACCOUNTID=9", "/users?%61ccountId=9"),
        *(
            "/users%3faccountId=9",
            "/users?account_id=9",
            "/users?accountId[]=9",
            "/users;accountId=9",
            "/users?a=1;accountId=9",
        ),
    ],
)
def test_a_path_that_may_be_read_as_another_is_refused(path: str) -> None:
    """The platform operator has a templated path, so the user who triggers a DAG writes a part of it."""
    with pytest.raises(ConfigError, match=r"^The path of a request must .* Nothing was sent to mParticle\.$"):
        check_path(path)


@pytest.mark.parametrize(
    ("parameter", "expected"),
    [("accountId", True), ("ACCOUNT_ID", True), ("%61ccountId", True), (" accountId ", True), ("limit", False)],
)
def test_an_account_is_recognised_in_any_spelling(parameter: str, expected: bool) -> None:
    """The account comes from the connection."""
    assert expected is is_account(parameter)


# Generated: hostile pieces in any order, parts of them percent-encoded any number of times

PIECES = [
    *(
        "..",
        ".",
        "/",
        "\\",
        "accounts",
        "5",
        "%",
        "2e",
        "2f",
        "%2e",
        "%25",
        "\uff0e",
        "\u2025",
        "\uff0f",
        ";",
        "?",
    ),
    *("?", "#", "&", "=", "accountId", "\r\n", "\x00", " ", "\ud800", "%c0%ae", "~", "a", "\u200b", "x=1"),
]


@st.composite
def hostile(draw: st.DrawFn) -> str:
    """Return a text that tries to change the path around it."""
    text = ""
    for piece in draw(st.lists(st.sampled_from(PIECES), max_size=8)):
        for _ in range(draw(st.integers(0, 3))):
            piece = draw(st.sampled_from([quote, all_encoded]))(piece.encode("utf-8", "replace").decode())
        text += piece
    return text


def all_encoded(text: str) -> str:
    """Percent-encode every byte."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


def resource(path: str) -> str:
    """Return the path that a server uses if it decodes, normalizes and resolves everything that it can."""
    path = path.partition("#")[0].partition("?")[0]
    while (decoded := unquote(path)) != path:
        path = decoded
    path = unicodedata.normalize("NFKC", path).replace("\\", "/")
    kept: list[str] = []
    for segment in path.split("/"):
        segment = re.split("[;?#]", segment)[0].strip()
        if segment == "..":
            kept = kept[:-1]
        elif segment not in ("", "."):
            kept.append(segment)
    return "/".join(kept)


@settings(max_examples=400)
@given(hostile())
def test_no_id_reaches_another_resource(value: str) -> None:
    """With any id, the call stays below the path of its pipeline."""
    try:
        path = fill_path("/pipelines/{pipeline_id}/trigger", {"pipeline_id": value})
    except ConfigError:
        return

    assert re.fullmatch(r"pipelines(/.*)?/trigger", resource(path))


@settings(max_examples=150)
@given(hostile())
def test_no_path_below_a_resource_reaches_another_one(rest: str) -> None:
    """A DAG author who writes ``/users/{{ name }}`` means a path below ``/users``."""
    path = f"/users/x{rest}"
    assume(path_flaw(path) is None)

    assert resource(path).startswith("users/x")
    assert "\r" not in unquote(path)
    assert "accountid" not in unquote(unquote(unquote(path.partition("?")[2]))).lower().split("=")[0]


@settings(max_examples=200)
@given(st.text())
def test_checking_never_raises_anything_else(text: str) -> None:
    """Any text is accepted or refused."""
    assert isinstance(segment_flaw(text), str | None)
    assert isinstance(path_flaw(f"/{text}"), str | None)


@given(text=st.text("aé/%. ", min_size=1).filter(lambda text: segment_flaw(text) is None), number=st.integers())
def test_a_member_of_an_enumeration_is_sent_as_its_value(text: str, number: int) -> None:
    """A DAG file may name its pipelines in an enumeration, which str() writes as "Pipelines.ORDERS"."""
    members = (
        *Enum("Pipelines", {"ORDERS": text}, type=str),
        *Enum("Runs", {"LAST": number}, type=int),
    )

    for member, value in zip(members, (text, number), strict=True):
        assert fill_path("/x/{pipeline_id}", {"pipeline_id": value}) == fill_path(
            "/x/{pipeline_id}", {"pipeline_id": member}
        )


@pytest.mark.parametrize("value", [None, True, 7.0, float("nan"), [], ["orders"], {}, b"orders"])
def test_an_id_is_text_or_a_whole_number(value: object) -> None:
    """Python would write None and lists into the path as text."""
    with pytest.raises(ConfigError, match="connection_id must be text or a whole number"):
        fill_path("/connections/{connection_id}", {"connection_id": value})

"""The body of an answer, put together from pieces."""

from __future__ import annotations

import gzip
import json
import time
import zlib
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_mparticle.client.answer_body import BEGINNING, LONGEST_BODY, MAX_VALUES, AnswerBody

PACK = {"": bytes, "identity": bytes, "gzip": gzip.compress, "X-GZIP": gzip.compress, "deflate": zlib.compress}


def collected(pieces: list[bytes], encoding: str) -> tuple[bytes, str]:
    body = AnswerBody(encoding, MAX_VALUES)
    for piece in pieces:
        body.add(piece)
    return body.end(), body.flaw


@settings(max_examples=200)
@given(st.binary(max_size=2000), st.sampled_from(sorted(PACK)), st.lists(st.integers(0, 3000), max_size=6))
def test_a_body_is_whole_however_it_was_cut(body: bytes, encoding: str, cuts: list[int]) -> None:
    """TCP may split a body anywhere."""
    packed = PACK[encoding](body)
    edges = [0, *sorted(min(cut, len(packed)) for cut in cuts), len(packed)]

    pieces = [packed[start:end] for start, end in pairwise(edges)]

    assert (body, "") == collected(pieces, encoding)


@settings(max_examples=200)
@given(st.binary(max_size=500), st.text(max_size=20))
def test_any_bytes_and_any_encoding_are_a_body_or_a_flaw(data: bytes, encoding: str) -> None:
    """The server decides about both."""
    body, flaw = collected([data], encoding)

    assert flaw or body == data or encoding.strip().lower() in ("gzip", "x-gzip", "deflate")


@pytest.mark.parametrize("encoding", PACK)
def test_a_body_as_long_as_allowed_is_read_and_one_more_byte_is_too_much(encoding: str) -> None:
    """The limit applies to the body after decompression."""
    longest = b"x" * LONGEST_BODY

    assert (longest, "") == collected([PACK[encoding](longest)], encoding)
    assert (b"x" * BEGINNING, "is longer than 16 MB") == collected([PACK[encoding](longest + b"x")], encoding)


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress", "chunked"])
def test_an_encoding_that_was_not_asked_for_is_a_flaw(encoding: str) -> None:
    """The client cannot decompress it."""
    assert f"is encoded as {encoding!r}, which was not asked for" == collected([b"\x1b"], encoding)[1]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_no_body_needs_no_decompressing(encoding: str) -> None:
    """A 204 may still name an encoding."""
    assert (b"", "") == collected([], encoding)


def test_what_is_not_compressed_though_it_says_so_is_a_flaw() -> None:
    """A proxy may decompress a body and keep the header."""
    assert (b"", "is not the gzip data that it claims to be") == collected([b'{"a": 1}'], "gzip")


@pytest.mark.parametrize("part", [b"[]", b"1", b"{}", b'"a"', b'{"a":[1]}', b'"\\""'])
def test_json_of_too_many_values_is_a_flaw(part: bytes) -> None:
    """Reading it took 767 MB in a worker, and blocked the event loop of a triggerer for 4 s."""
    body = AnswerBody("", max_values=1000)
    body.add(b"[" + b",".join([part] * 1500) + b"]")
    body.end()

    assert "holds more than 1,000 values" == body.flaw


@settings(max_examples=100)
@given(st.lists(st.text('a,[{"\\:'), max_size=50))
def test_text_may_hold_any_number_of_separators(texts: list[str]) -> None:
    """The SQL of a data model has commas."""
    body = AnswerBody("", max_values=len(texts) + 2)
    body.add(json.dumps(texts).encode())
    body.end()

    assert not body.flaw


@settings(max_examples=60, deadline=None)
@example(repeated=[b'\\"'], end=b"")
@example(repeated=[b'\\"'], end=b"\\")
@given(
    st.lists(st.sampled_from([b'"', b'\\"', b"\\", b",", b"[", b"a"]), min_size=1, max_size=4),
    st.sampled_from([b"", b'"', b"\\"]),
)
def test_the_values_of_any_body_are_counted_in_linear_time(repeated: list[bytes], end: bytes) -> None:
    """Forty kilobytes of a text that does not end blocked the event loop of a triggerer for a minute."""
    piece = b"".join(repeated)
    body = AnswerBody("", max_values=1000)
    body.add(b"[" + b"," * 1001 + b'"' + piece * (40_000 // len(piece)) + end)
    began = time.process_time()
    body.end()

    assert time.process_time() - began < 5.0
    assert "holds more than 1,000 values" == body.flaw


def test_what_follows_compressed_data_is_a_flaw() -> None:
    """zlib keeps all of it, and copies it again with each piece that arrives."""
    assert (b"{}", "continues after the end of its gzip data") == collected([gzip.compress(b"{}"), b"\0"], "gzip")

"""Other spellings of a name, and other words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_mparticle.client.spelling import meant_by

NAMES = ("window_start", "window_end")


@given(st.sampled_from(NAMES), st.data())
def test_a_name_with_one_wrong_letter_is_meant(name: str, data: st.DataObject) -> None:
    """Left out, doubled, or replaced, in any case and with any separators."""
    at = data.draw(st.integers(0, len(name) - 1))
    letter = data.draw(st.sampled_from(["", "x", name[at] * 2]))
    separator = data.draw(st.sampled_from(["", "-", " ", "__", "."]))
    change = data.draw(st.sampled_from([str.lower, str.upper, str.title]))

    assert name == meant_by(change(f"{name[:at]}{letter}{name[at + 1 :]}").replace("_", separator), NAMES)


@pytest.mark.parametrize("word", ["window_size", "window", "start", "", "_", None, 7, "date"])
def test_another_word_means_no_name(word: object) -> None:
    """Users have keys of their own."""
    assert meant_by(word, NAMES) is None

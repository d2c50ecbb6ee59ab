"""Untrusted text becomes harmless, and stays what it was otherwise."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.text import clean
from adapters.web.people import slug

ANY_TEXT = st.text(st.characters())  # surrogates included


@given(ANY_TEXT)
def test_nothing_harmful_is_left_and_cleaning_again_changes_nothing(text: str) -> None:
    once = clean(text)

    harmful = {c for c in once if unicodedata.category(c) in ("Cc", "Cf", "Cs")}
    assert harmful <= set("\n\t\u200c\u200d")
    assert clean(once) == once
    once.encode()


@given(ANY_TEXT, st.integers(10, 50))
def test_a_text_is_never_longer_than_the_limit(text: str, limit: int) -> None:
    assert len(clean(text, limit)) <= limit


@pytest.mark.parametrize(
    "text", ["plain", "zwei\nZeilen\tund mehr", "é ü ß 漢字 עברית", "👍🏽 👩\u200d🚀 ❤️"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert clean(text) == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ana", "ana"),
        ("  Ana  Lima ", "ana-lima"),
        ("\uff21na", "ana"),
        ("Ana:2/../x", "ana-2-x"),
        ("Жанна", "жанна"),
        ("🙂", ""),
    ],
)
def test_a_slug_is_plain_and_folds_lookalikes(name: str, expected: str) -> None:
    assert slug(name) == expected

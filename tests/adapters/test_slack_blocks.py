"""Whatever a card holds, Slack takes it and shows it letter by letter."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.base import Button, Card, CardPart, Home, HomeSection, Menu, Picture, Ref
from adapters.slack import blocks, emoji
from adapters.slack.text import escaped, plain
from adapters.text import CUT, one_line
from tests.adapters.cards import CLOSED, FEATURES, QUESTION, WHICH
from tests.fake_slack.limits import check_blocks, check_view

HOSTILE = (
    "<!channel> <!here> <@U123> <https://evil.example|your bank> `code` ```block``` *b* _i_ ~s~\n"
    "&amp; \u202egnp.exe\u202c a\u200bb \u05e9\u05dc\u05d5\u05dd @channel :skull: "
)
TEXTS = st.one_of(st.text(max_size=60), st.just(HOSTILE), st.just("x" * 4_000), st.just("\n" * 9))
CARDS = st.builds(
    Card,
    text=TEXTS,
    title=TEXTS,
    parts=st.lists(
        st.builds(CardPart, key=st.just("1"), title=TEXTS, text=TEXTS, note=TEXTS), max_size=12
    ).map(tuple),
    bars=st.lists(st.tuples(TEXTS, st.floats(), TEXTS), max_size=25).map(tuple),
    lines=st.lists(TEXTS, max_size=12).map(tuple),
    buttons=st.lists(
        st.builds(Button, id=st.just("yes"), label=TEXTS, emoji=st.sampled_from(["up", "c", None])),
        max_size=25,
    ).map(tuple),
    menu=st.one_of(st.none(), st.just(FEATURES.menu)),
    footer=TEXTS,
    tally=TEXTS,
    is_blind=st.booleans(),
    is_closed=st.booleans(),
)


def shown(found: list[dict[str, Any]]) -> list[str]:
    """All texts that Slack would show, in order."""
    texts: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("text"), str):
                texts.append(node["text"])
            for child in node.values():
                walk(child)
        elif isinstance(node, list):
            for child in node:
                walk(child)

    walk(found)
    return texts


@settings(max_examples=50, deadline=None)
@given(CARDS)
def test_slack_takes_every_card(card: Card) -> None:
    check_blocks(blocks.message(card))


@settings(max_examples=30, deadline=None)
@given(CARDS)
def test_nothing_that_slack_reads_as_markup_stands_on_a_card(card: Card) -> None:
    found = json.dumps(blocks.message(card))

    assert '"mrkdwn"' not in found


def test_a_hostile_sample_is_shown_as_it_is_written() -> None:
    part = CardPart(key="1", text=HOSTILE)

    [text] = [t for t in shown(blocks.message(Card(text="", parts=(part,)))) if "channel" in t]
    assert "<!channel> <!here> <@U123> <https://evil.example|your bank> `code`" in text
    assert "\u05e9\u05dc\u05d5\u05dd" in text
    assert "gnp.exe" in text
    assert "\u202e" not in text
    assert "ab " in text  # the zero-width space is gone


def test_texts_of_nothing_but_control_characters_are_no_empty_texts() -> None:
    nothing = "\x08\u200b"
    part = CardPart(key="1", title=nothing, text=nothing, note=nothing)
    card = Card(text=nothing, title=nothing, parts=(part,), lines=(nothing,), footer=nothing)

    check_blocks(blocks.message(card))


def test_40_000_characters_are_cut_with_a_mark_and_the_buttons_stay() -> None:
    part = CardPart(key="1", text="word " * 8_000)
    card = QUESTION.model_copy(update={"parts": (part,)})

    found = blocks.message(card)
    assert any(text.endswith(CUT) for text in shown(found))
    assert [e["value"] for b in found if b["type"] == "actions" for e in b["elements"]] == [
        "yes",
        "no",
        "skip",
    ]


def test_the_fallback_text_calls_nobody() -> None:
    said = escaped(HOSTILE)

    assert "<" not in said
    assert ">" not in said
    assert said.startswith("&lt;!channel&gt;")


@pytest.mark.parametrize("limit", [50, 51, 52, 53, 54, 55])
def test_entities_are_never_cut_in_half(limit: int) -> None:
    said = escaped("<" * 100, limit)

    assert len(said) <= limit
    assert said.removesuffix(CUT).replace("&lt;", "") == ""


def test_buttons_carry_their_emoji_and_answers() -> None:
    [actions] = [b for b in blocks.message(WHICH) if b["type"] == "actions"]

    first, last = actions["elements"][0], actions["elements"][-1]
    assert (first["text"]["text"], first["value"]) == (
        "1\ufe0f\u20e3 card_payment_fee_charged",
        "#1",
    )
    assert (last["text"]["text"], last["value"]) == ("🤷 Can't tell", "unsure")


def test_a_closed_card_has_no_buttons_and_shows_its_count() -> None:
    found = blocks.message(CLOSED)

    assert not [b for b in found if b["type"] == "actions"]
    assert "2 relevant, 1 not" in shown(found)


def test_a_card_says_where_its_picture_is() -> None:
    one = QUESTION.model_copy(update={"pictures": (Picture(path="a.png", alt="a cat"),)})

    assert any("The picture is in the thread" in text for text in shown(blocks.message(one)))
    assert not any("in the thread" in text for text in shown(blocks.message(QUESTION)))


def test_shares_are_drawn_as_bars_of_ten() -> None:
    bars = (("half", 0.5, "50 %"), ("much", 7.0, ""), ("nothing", math.nan, "?"))

    [chart] = [t for t in shown(blocks.message(Card(text="", bars=bars))) if "half" in t]
    assert [line.split()[1] for line in chart.splitlines()] == [
        "█████░░░░░",
        "██████████",
        "░░░░░░░░░░",
    ]


def test_the_largest_form_is_taken_and_read_back() -> None:
    menu = Menu(
        title="How much?" * 50,
        options=tuple((f"k{n}", f"feature {n} " * 40) for n in range(25)),
        levels=(("0", "not at all"), ("5", "5 – most")),
    )
    view = blocks.form(menu, Ref(platform="slack", channel="C1", message="1.2"))

    check_view(view)
    assert Ref.parse(view["private_metadata"]).message == "1.2"
    labels = [o["text"]["text"] for o in view["blocks"][1]["element"]["options"]]
    assert labels == ["0 – not at all", "5 – most"]
    chosen = {"level": {"selected_option": {"value": "5"}}}
    state = {"values": {"k0": chosen, "k1": {"level": {"selected_option": None}}}}
    assert blocks.read_form({"state": state}) == {"k0": "5"}


def test_a_long_home_is_taken() -> None:
    lines = tuple(HOSTILE for _ in range(60))
    home = Home(title="x" * 500, sections=(HomeSection(title="Runs", lines=lines),) * 40)

    check_view(blocks.home(home))


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("+1", "up"),
        ("+1::skin-tone-5", "up"),
        ("thumbsup", "up"),
        ("white_check_mark", "up"),
        ("-1::skin-tone-2", "down"),
        ("x", "down"),
        ("man-shrugging::skin-tone-3", "unsure"),
        ("keycap_ten", "ten"),
        ("a", "a"),
        ("tada", None),
    ],
)
def test_aliases_and_skin_tones_mean_the_same(raw: str, canonical: str | None) -> None:
    assert emoji.read(raw) == emoji.Emoji(raw=raw, canonical=canonical)


@pytest.mark.parametrize(
    ("markup", "typed"),
    [
        ("refund 5 &amp; typo &lt; 3", "refund 5 & typo < 3"),
        ("<https://a.example/x|a.example/x> 1", "a.example/x 1"),
        ("<https://a.example/x>", "https://a.example/x"),
        ("<mailto:a@b.example|a@b.example>", "a@b.example"),
        ("&amp;lt;", "&lt;"),
    ],
)
def test_markup_is_read_back_as_it_was_typed(markup: str, typed: str) -> None:
    assert plain(markup) == typed


def test_a_title_is_one_line_and_never_empty() -> None:
    assert one_line(" a\n\u200b b ", 10) == "a b"
    assert one_line("\u200b\n", 10) == "–"
    assert one_line("abcdefghij", 5) == "abcd…"


def test_a_deadline_is_shown_on_each_reader_s_clock_while_it_is_open():
    until = datetime(2026, 11, 28, 14, 3, tzinfo=UTC)
    card = QUESTION.model_copy(update={"until": until})

    found = blocks.message(card)
    closed = card.model_copy(update={"is_closed": True})

    check_blocks(found)
    assert "On your clock: <!date^1795874580^{date_short_pretty} at {time}|14:03 UTC>" in shown(
        found
    )
    assert not [text for text in shown(blocks.message(closed)) if "your clock" in text]

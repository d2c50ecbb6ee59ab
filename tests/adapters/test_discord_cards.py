"""Whatever a sample says, Discord shows it letter by letter and takes the card."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import CANONICAL_EMOJI, Card, CardPart, ChatRefused
from adapters.discord import controls, embeds, emoji, marks
from adapters.discord.clock import Clock
from adapters.discord.text import after_mention, escaped, fenced, quoted, typed
from adapters.text import one_line
from bot.commands.grammar import MAX_CONFIRMED
from bot.confirming import Wish, question
from tests.adapters.cards import FEATURES, LEVELS, PAIR, QUESTION, WHICH
from tests.fake_discord.limits import check_message

URL = "https://discord.com/channels/1/2#jl1.abc"


def drawn(card: Card) -> dict[str, object]:
    """The message as it would be sent; what Discord refuses fails."""
    body = {"embeds": [embeds.card(card, URL).to_dict()]}
    check_message(body, 0)
    return body["embeds"][0]


def sample(text: str) -> Card:
    return QUESTION.model_copy(update={"parts": (CardPart(key="s", text=text),)})


def unescaped(shown: str) -> str:
    """What a reader sees: Discord takes a backslash before a punctuation mark away."""
    return re.sub(r"\\([^0-9A-Za-z\s])", r"\1", shown)


HOSTILE = [
    "@everyone @here <@123> <@!123> <@&456> <#789>",
    "[free money](https://evil.example)",
    "https://evil.example/path?x=1",
    "**bold** __under__ ~~gone~~ ||spoiler|| `code` ```block``` *it*",
    "# heading\n## two\n- list\n1. one\n> quote\n>>> all",
    "<t:1700000000:R> </stop:123> <:blob:77> <a:blob:77>",
    "\\@everyone \\\\<@1>",
    "-# small text",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_markup_in_a_sample_is_shown_as_it_was_written(text: str) -> None:
    shown = drawn(sample(text))["description"]
    assert isinstance(shown, str)
    lines = [line for line in shown.split("\n") if line.startswith("> ")]

    assert unescaped("\n".join(line[2:] for line in lines)) == text
    bare = re.sub(r"\\[^0-9A-Za-z\s]", "", "\n".join(line[2:] for line in lines))
    assert not set(bare) & set("@<>[]()*_`~|#:/")


def test_bidi_tricks_and_invisible_characters_are_taken_out_and_letters_kept() -> None:
    shown = str(drawn(sample("abc\u202edcba\u200b\u2066x\u2069 שלום مرحبا"))["description"])

    assert "> abcdcbax שלום مرحبا" in shown
    assert not set(shown) & set("\u202e\u200b\u2066\u2069")


def test_a_sample_of_any_length_fits_and_says_that_it_was_cut() -> None:
    for text in ("x" * 4000, "[" * 4000, "*a\n" * 3000, "\u0645" * 9000, "😀" * 4000):
        assert "cut" in str(drawn(sample(text))["description"]) or len(text) == 4000


@given(st.text(max_size=6000), st.text(max_size=400))
def test_any_text_makes_a_card_that_discord_takes(text: str, title: str) -> None:
    card = sample(text).model_copy(
        update={"title": title, "lines": (text,), "tally": text, "footer": title}
    )

    assert drawn(card)["description"]


@given(st.text(alphabet="\\*_<@[x", max_size=60), st.integers(20, 60))
def test_a_cut_never_halves_an_escape(text: str, limit: int) -> None:
    shown = escaped(text, limit)

    assert len(shown) <= limit
    kept = shown.partition(" … ")[0]
    assert (len(kept) - len(kept.rstrip("\\"))) % 2 == 0


def test_nothing_ends_a_code_block_or_a_quote() -> None:
    assert fenced("a```b\nc", 100).count("```") == 2
    assert all(line.startswith("> ") for line in quoted("a\nb\n\nc", 100).split("\n"))


def test_a_chart_and_a_pair_are_drawn() -> None:
    assert "██████░░░░ 62 %" in str(drawn(FEATURES)["description"])
    shown = str(drawn(PAIR)["description"])
    assert "**A**" in shown
    assert "> A door for packets" in shown


async def test_buttons_carry_the_answer_and_its_emoji() -> None:
    view = controls.view(WHICH)
    assert view is not None
    rows = view.to_components()
    check_message({"content": "x", "components": rows}, 0)
    items = [item for row in rows for item in row["components"]]

    assert [i["custom_id"] for i in items][:2] == ["jl1:#1", "jl1:#2"]
    assert items[0]["emoji"]["name"] == "1️⃣"
    assert view.is_finished()  # the library keeps nothing of it


async def test_more_buttons_than_discord_takes_and_endless_answers_are_refused() -> None:
    many = [QUESTION.buttons[0].model_copy(update={"id": f"b{n}"}) for n in range(26)]
    endless = QUESTION.buttons[0].model_copy(update={"id": "x" * 97})
    for buttons in (many, [endless]):
        with pytest.raises(ChatRefused, match="Discord takes no"):
            controls.view(QUESTION.model_copy(update={"buttons": tuple(buttons)}))


def test_every_canonical_emoji_is_mapped_there_and_back() -> None:
    for canonical in CANONICAL_EMOJI:
        glyph = emoji.glyph(canonical)
        assert glyph is not None
        assert emoji.read(glyph).canonical == canonical


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("👍🏿", "up"),
        ("✅", "up"),
        ("🤷🏽\u200d♂️", "unsure"),
        ("🤷", "unsure"),
        ("↔", "same"),
        ("🗑", "bad"),
        ("🅰️", "a"),
        ("🇱", "l"),
        ("🎉", None),
        ("", None),
    ],
)
def test_tones_genders_and_synonyms_mean_the_same(raw: str, canonical: str | None) -> None:
    assert emoji.read(raw).canonical == canonical


def test_a_servers_own_emoji_mean_nothing_whatever_they_are_called() -> None:
    assert emoji.read("👍", 77).canonical is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<@3000> refund 5", "refund 5"),
        ("  <@!3000>   stop", "stop"),
        ("<@3000>", ""),
        ("hello <@3000>", None),
        ("<@3001> refund 5", None),
    ],
)
def test_what_follows_a_leading_mention_is_said_to_the_bot(text: str, words: str | None) -> None:
    assert after_mention(text, 3000) == words


def test_mentions_become_the_houses_ids() -> None:
    assert typed("allow <@5001> operator, <@&4001> voter") == (
        "allow discord:5001 operator, discord:role-4001 voter"
    )


def test_a_form_survives_in_the_address_and_a_broken_one_is_none() -> None:
    assert FEATURES.menu is not None
    url = marks.address("https://discord.com/channels/1/2", marks.mark("k"), FEATURES.menu)

    assert marks.read(url) == marks.mark("k")
    assert marks.menu_in(url) == FEATURES.menu
    assert marks.menu_in(url[:-9]) is None
    assert marks.read("https://discord.com/channels/1/2") is None
    assert len(marks.mark("k")) <= 25


def test_a_form_of_25_lines_survives_too() -> None:
    options = tuple((f"{n}.feature", f"mentions subject number {n}") for n in range(25))
    menu = FEATURES.menu and FEATURES.menu.model_copy(update={"options": options, "levels": LEVELS})

    url = marks.address("https://discord.com/channels/1/2", marks.mark("k"), menu)

    assert len(url) <= 2048
    assert marks.menu_in(url) == menu


def test_one_line_is_never_empty() -> None:
    assert one_line("\u200b\n", 10) == "–"
    assert one_line("a\nb", 10) == "a b"
    assert one_line("abcdefgh", 5) == "abcd…"


def test_the_clock_follows_discords_and_never_goes_back() -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    second = timedelta(seconds=1)
    clock = Clock(lambda: now)
    clock.compare(now, now + second, now + second / 2)
    assert clock.moment() == now  # between the two: nothing is known to be wrong

    clock.compare(now, now + second, now + 301 * second)
    ahead = clock.moment()
    assert ahead == now + 300 * second
    clock.compare(now, now, now)
    assert clock.moment() > ahead


async def test_the_longest_question_that_is_asked_back_fits_its_buttons() -> None:
    until = datetime(2026, 11, 28, tzinfo=UTC)
    words = "budget r123 " + "9" * MAX_CONFIRMED
    wish = Wish(words, "discord:1234567890123456789", until)

    assert controls.view(question("?", wish, "Ana")) is not None


def test_a_deadline_stands_behind_the_footer_while_it_is_open():
    """Discord shows an embed's timestamp on each reader's own clock."""
    until = datetime(2026, 11, 28, 14, 3, tzinfo=UTC)
    card = QUESTION.model_copy(update={"until": until})

    assert drawn(card)["timestamp"] == "2026-11-28T14:03:00+00:00"
    assert "timestamp" not in drawn(card.model_copy(update={"is_closed": True}))

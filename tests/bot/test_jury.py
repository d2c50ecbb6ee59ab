"""Simulated colleagues: right as often as they say, lazy where they are lazy."""

import asyncio
import json
import random

import pytest

from adapters.web.client import Guest
from adapters.web.platform import WebChat
from bot import wording
from bot.cards import question
from bot.jury import (
    OFF_TOPIC,
    TEAM,
    Colleague,
    Task,
    Voter,
    answer,
    better_label,
    choose,
    levels,
    texts,
)
from tests.bot.cards import feature_ballot, sample_ballot, spec, which_ballot
from trainer.data.samples import OFF_TOPIC as THE_TRUTH_S_OFF_TOPIC

CARD = {"title": "Does “maths” fit?", "footer": "r1 · pool-7 · closes by 12:00"}
CAREFUL, LAZY = Colleague("Ada", 0.9), Colleague("Linus", 0.9, is_lazy=True)


@pytest.mark.parametrize(("truth", "right"), [("maths", "up"), ("text", "down")])
def test_a_careful_colleague_is_right_as_often_as_stated(truth, right):
    rng = random.Random(1)

    given = [answer(CARD, {"pool-7": truth}, CAREFUL, rng) for _ in range(2000)]

    assert given.count(right) / len(given) == pytest.approx(0.9, abs=0.03)


def test_a_lazy_colleague_says_yes_to_everything():
    assert answer(CARD, {"pool-7": "text"}, LAZY, random.Random(1)) == "up"


def test_nobody_votes_on_what_they_know_nothing_of():
    assert answer(CARD, {}, CAREFUL, random.Random(1)) is None


LONG = "a label " * 20


def which_card(*options):
    """A 'which of these?' card as the page tells it."""
    ballot = which_ballot(options, given=options[0], sample_id="pool-7")
    return question(ballot, spec(), closes="closes by 12:00").model_dump(mode="json")


@pytest.mark.parametrize(
    ("truth", "right"), [("text", "#2"), (LONG, "#3"), (OFF_TOPIC, "none"), ("unlisted", "none")]
)
def test_a_careful_colleague_chooses_the_right_label_as_often_as_stated(truth, right):
    rng, card = random.Random(1), which_card("maths", "text", LONG)

    given = [choose(card, {"pool-7": truth}, CAREFUL, rng) for _ in range(3000)]

    shares = {choice: given.count(choice) / len(given) for choice in set(given)}
    assert shares.pop(right) == pytest.approx(0.9, abs=0.02)
    assert shares == {choice: pytest.approx(0.1 / 3, abs=0.015) for choice in shares}
    assert len(shares) == 3
    assert "unsure" not in shares


def test_a_lazy_colleague_takes_the_first_label():
    assert choose(which_card("maths", "text"), {"pool-7": "text"}, LAZY, random.Random(1)) == "#1"


def test_nobody_chooses_for_what_they_know_nothing_of():
    assert choose(which_card("maths", "text"), {}, CAREFUL, random.Random(1)) is None


def test_off_topic_is_spelt_as_the_truth_spells_it():
    assert OFF_TOPIC == THE_TRUTH_S_OFF_TOPIC


@pytest.mark.parametrize(
    ("truth", "given", "name"),
    [
        ("text", "down", "text"),
        ("text", "up", None),
        ("maths", "down", None),
        (OFF_TOPIC, "down", None),
    ],
)
def test_a_better_label_is_named_only_where_there_is_one(truth, given, name):
    assert better_label(CARD, given, {"pool-7": truth}, 1.0, random.Random(1)) == name


def test_better_labels_are_named_as_often_as_stated_and_never_by_default():
    rng = random.Random(1)

    def named(p):
        given = [better_label(CARD, "down", {"pool-7": "text"}, p, rng) for _ in range(1000)]
        return 1 - given.count(None) / 1000

    assert named(0.3) == pytest.approx(0.3, abs=0.05)
    assert named(0.0) == 0


def test_what_a_label_means_is_said_as_the_file_has_it():
    known = {"maths": {"words": ["sum", "root"], "about": "what one\ncan count"}, "text": {}}

    assert texts("maths", known) == ["words maths: sum, root", "about maths: what one can count"]
    assert texts("text", known) == texts("unknown", known) == []


def test_fillers_never_matter_to_a_careful_colleague():
    menu = {"options": [("A", "the"), ("B", "socket")]}

    given = [levels(menu, CAREFUL, random.Random(i)) for i in range(50)]

    assert {g["A"] for g in given} <= {"0", "1"}
    assert {g["B"] for g in given} <= {"3", "4", "5"}


async def heard_from(who, cards, tmp_path, expected, **how):
    """What a colleague does on these cards, over the web chat itself."""
    folder = tmp_path / "r1" / "human"
    folder.mkdir(parents=True)
    (folder / "truth.json").write_text(json.dumps({"pool-1": "lost_card"}))
    events, is_done = [], asyncio.Event()

    async def sink(event):
        events.append(event)
        if len(events) == expected:
            is_done.set()

    chat = WebChat(tmp_path / "chat.sqlite", open_link=True)
    await chat.connect(sink)
    for number, card in enumerate(cards):
        await chat.post_card("joulery", card, f"k{number}")
    task = Task(chat.entry_url(), str(tmp_path), 0.0, 1, **how)
    known = {"maths": {"words": ["sum"], "about": "numbers"}}
    async with Guest.enter(task.link, who.name) as guest:
        voter = Voter(guest, who, task, known, random.Random(1))
        at_work = [asyncio.create_task(voter.watch()), asyncio.create_task(voter.work())]
        async with asyncio.timeout(20):
            await is_done.wait()
        for job in at_work:
            job.cancel()
    await chat.close()
    return events


async def test_a_colleague_answers_every_kind_of_card_in_its_own_way(tmp_path):
    sure = Colleague("Ada", 1.0)
    ballots = [sample_ballot(), which_ballot(), feature_ballot("sum")]
    cards = [question(b, spec(), closes="soon") for b in ballots]
    blind = question(which_ballot(is_blind=True), spec("buttons"), closes="soon")

    events = await heard_from(sure, [*cards, blind], tmp_path, 7, names_label=1.0)

    assert [(e.kind, said_by(e)) for e in events] == [
        ("reaction_added", "down"),
        ("thread_reply", "label: lost_card"),
        ("reaction_added", "three"),
        ("form_submitted", {"A": events[3].values["A"]}),
        ("thread_reply", "words maths: sum"),
        ("thread_reply", "about maths: numbers"),
        ("button_pressed", "#3"),
    ]


async def test_a_colleague_answers_cards_about_pairs_answers_and_topics(tmp_path):
    """What pool-1 is has a truth that fits no card: no answer is worth it and no pair is good."""
    view = {"sample_id": "pool-1", "parts": [["Prompt", "p"], ["A", "a"], ["B", "b"]]}
    task = spec().model_copy(update={"task": "causal-lm"})
    ballots = [
        sample_ballot(ask="prefer", choices=wording.prefer("A"), view=view),
        sample_ballot(choices=wording.WORTH, view=view),
        sample_ballot(ask="happy", choices=wording.HAPPY, view=view),
        feature_ballot("list sort"),
    ]
    cards = [question(b, task, closes="soon") for b in ballots]

    events = await heard_from(Colleague("Ada", 1.0), cards, tmp_path, 4, names_label=1.0)

    assert [said_by(e) for e in events[:2]] == ["bad", "down"]
    assert said_by(events[2]) in ("up", "down")
    assert said_by(events[3])["A"] in ("2", "3")


@pytest.mark.parametrize("style", ["reactions", "buttons"])
async def test_a_colleague_marks_on_a_sheet_what_does_not_fit_and_names_it(tmp_path, style):
    """Of three the second is something else; of the others nothing is known."""
    pictures = [{"sample_id": f"pool-{n}", "image_path": "", "label": "maths"} for n in (3, 1, 2)]
    ballot = sample_ballot(3, view={"label": "maths", "pictures": pictures, "sheet_path": ""})
    subjects = [
        s.model_copy(update={"target": p["sample_id"]})
        for s, p in zip(ballot.subjects, pictures, strict=True)
    ]
    ballot = ballot.model_copy(update={"subjects": tuple(subjects)})
    card = question(ballot, spec(style), closes="soon").model_copy(update={"pictures": ()})

    events = await heard_from(Colleague("Ada", 1.0), [card], tmp_path, 3, names_label=1.0)

    said = ["two", "up"] if style == "reactions" else ["2:no", "yes"]
    assert [said_by(event) for event in events] == [*said, "label 2: lost_card"]


async def test_a_lazy_colleague_has_nothing_to_add(tmp_path):
    cards = [question(b, spec(), closes="soon") for b in (which_ballot(), feature_ballot("sum"))]

    events = await heard_from(LAZY, cards, tmp_path, 2, names_label=1.0)

    assert [said_by(e) for e in events] == ["one", {"A": "5"}]


def said_by(event):
    match event.kind:
        case "reaction_added":
            return event.emoji.canonical
        case "thread_reply":
            return event.text
        case "form_submitted":
            return event.values
        case _:
            return event.choice


def test_the_team_is_as_the_readme_says():
    assert len(TEAM) == 3
    assert {who.accuracy for who in TEAM} == {0.9}
    assert sum(who.is_lazy for who in TEAM) == 1

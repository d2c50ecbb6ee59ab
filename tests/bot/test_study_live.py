"""A live study: who sees what, what counts, and what is exported; at the end a whole one."""

import asyncio
import csv
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from adapters.web.client import Guest, GuestRefused
from bot.ask import to_repeat
from bot.cards import question
from bot.cli import app
from bot.settings import Settings, SettingsError
from bot.study.answers import Given, given, groups, rows
from bot.study.conditions import AGREE, CONDITIONS, condition_of, consent, shown
from bot.study.export import export
from bot.study.live import StudyChat, live, studied
from bot.study.roster import Roster, consent_text
from storage.models import RunState
from tests.bot.cards import at, sample_ballot, spec, vote
from trainer.spec import SpecError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BLIND_REACTION, BLIND_BUTTON, OPEN_REACTION, OPEN_BUTTON = CONDITIONS


def in_condition(condition, seed=0):
    """The first of many names the lot puts there."""
    names = (f"p{i}" for i in range(1000))
    return next(name for name in names if condition_of(seed, f"web:{name}") == condition)


# --- who sees what ------------------------------------------------------------------------------


def test_the_lot_is_the_same_for_ever_and_spreads_people_over_all_conditions():
    drawn = [condition_of(3, f"web:p{i}") for i in range(400)]

    assert drawn == [condition_of(3, f"web:p{i}") for i in range(400)]
    assert all(70 <= drawn.count(condition) <= 130 for condition in CONDITIONS)
    assert drawn != [condition_of(4, f"web:p{i}") for i in range(400)]


@pytest.mark.parametrize("condition", CONDITIONS, ids=[c.name for c in CONDITIONS])
def test_a_card_shows_what_its_condition_says_and_nothing_else_differs(condition):
    card = question(sample_ballot(), spec("both"), closes="soon")

    seen = shown(card, condition, {"yes": 2, "no": 1})

    assert bool(seen.seeds) is (condition.style == "reaction")
    assert seen.tally == ("So far: Fits 2 · Does not fit 1" if condition.is_open else "")
    assert seen.is_blind
    same = {"seeds", "tally", "is_blind"}
    assert seen.model_dump(exclude=same) == card.model_dump(exclude=same)


def test_the_consent_text_says_what_why_and_how_to_withdraw():
    said = " ".join(consent(consent_text()).lines)

    assert all(word in said for word in ("What is stored", "Why", "withdraw"))


def test_a_roster_keeps_who_agreed_and_its_seed(tmp_path):
    first = Roster(tmp_path / "roster.jsonl", 7, ["the text"])
    first.agree("web:ana", NOW)
    first.agree("web:ana", NOW)
    first.began("r1")

    again = Roster(tmp_path / "roster.jsonl", 8, ["the text"])
    other = Roster(tmp_path / "roster.jsonl", 8, ["another text"])

    assert (again.seed, again.voters, again.runs) == (7, {"web:ana"}, {"r1"})
    assert other.voters == set()
    assert len((tmp_path / "roster.jsonl").read_text().splitlines()) == 3


def test_a_broken_roster_is_said_with_its_place(tmp_path):
    (tmp_path / "roster.jsonl").write_text("no json")

    with pytest.raises(SettingsError, match=r"roster\.jsonl cannot be read as a study's roster"):
        Roster(tmp_path / "roster.jsonl", 0, [])


async def test_nobody_votes_before_agreeing_and_then_as_the_lot_has_it(tmp_path):
    """Ana sees the text, cannot answer, agrees, and has buttons; what she typed before is lost."""
    heard = []

    async def sink(event):
        heard.append(event)

    settings = Settings(_env_file=None, data_dir=tmp_path, web_port=0)
    chat = StudyChat(settings, Roster.of(tmp_path))
    await chat.connect(sink)
    ref = await chat.post_card("joulery", question(sample_ballot(), spec("both"), closes="x"), "k")
    presses, reacts = in_condition(OPEN_BUTTON), in_condition(OPEN_REACTION)
    async with (
        Guest.enter(chat.entry_url(), presses) as ana,
        Guest.enter(chat.entry_url(), reacts) as bo,
    ):
        [before] = await ana.messages()
        with pytest.raises(GuestRefused, match="no such button"):
            await ana.press(before["id"], "yes")
        await ana.react(before["id"], "down")
        early = await chat.snapshot(ref)
        await ana.react(before["id"], "down", is_on=False)
        for guest in (ana, bo):
            await guest.press(before["id"], AGREE)
        await ana.press(before["id"], "yes")
        await bo.react(before["id"], "up")
        [mine], [his] = await ana.messages(), await bo.messages()
        late = await chat.snapshot(ref)
    await chat.close()

    assert before["title"] == "Before your first answer"
    assert [b["id"] for b in before["presses"]] == [AGREE]
    assert [(e.kind, e.user) for e in heard] == [
        ("button_pressed", f"web:{presses}"), ("reaction_added", f"web:{reacts}"),
    ]  # fmt: skip
    assert early.reactions == {"down": frozenset()}
    assert late.reactions == {"up": frozenset({f"web:{reacts}"})}
    assert (mine["seeds"], len(mine["presses"])) == ([], 4)
    assert (len(his["seeds"]), his["presses"]) == (4, [])
    assert mine["tally"] == his["tally"] == "So far: Fits 2"
    assert all(mark["count"] is None for mark in his["marks"])


# --- cards that come again ----------------------------------------------------------------------


def card(i, role="ask", q=0, **subject):
    ballot = sample_ballot(ballot_id=f"r1.human.q{q}.{i}", round_id=f"r1.human.q{q}")
    changes = {"role": role, "target": f"pool-{i}", **subject}
    return ballot.model_copy(
        update={"subjects": (ballot.subjects[0].model_copy(update=changes),)}
    )  # fmt: skip


def test_cards_come_again_once_and_gold_never():
    earlier = [card(1), card(2, "audit"), card(3, "gold", truth=1.0), card(4), card(4, "repeat", 1)]

    again = to_repeat(earlier, 5, "r1.human.q2")

    assert {b.subjects[0].target for b in again} == {"pool-1", "pool-2"}
    assert to_repeat(earlier, 1, "r1.human.q2") == again[:1]


def test_a_study_of_one_round_is_refused_with_the_remedy():
    one = spec("both")
    one = one.model_copy(update={"ask": one.ask.model_copy(update={"at": (0.3,)})})

    with pytest.raises(SpecError, match=r"ask.at = \[0.3\].*give two pauses or more"):
        studied(one)


# --- what was said ------------------------------------------------------------------------------


def test_answers_carry_numbers_conditions_and_seconds():
    """Ana answers at 10 and 14 s, so her second took 4 s; Bo never agreed."""
    ballots = [card(1), card(2, "gold", truth=0.0)]
    votes = [
        vote(ballots[0], "web:ana", 1.0, answer="yes", at=at(10)),
        vote(ballots[1], "web:ana", -1.0, answer="no", at=at(14)),
        vote(ballots[0], "web:bo", 1.0, answer="yes", at=at(11)),
    ]

    first, second = given(ballots, votes, ["web:ana"], seed=0)

    assert first.voter == second.voter == 1
    assert first.condition == condition_of(0, "web:ana").name
    assert (first.answer, first.is_right, first.seconds) == ("yes", None, None)
    assert (second.answer, second.is_right, second.seconds) == ("no", True, 4.0)


def row(voter, sample, answer, *, is_repeat=False, seconds=None):
    card = f"{sample}{'r' if is_repeat else ''}"
    return Given(voter, BLIND_BUTTON.name, card, sample, answer, None, is_repeat, seconds)


def test_test_and_retest_count_who_answered_both_times():
    """Of three repeats one was skipped the first time; of the others one has the same answer."""
    found = [
        row(1, "a", "yes"), row(1, "a", "yes", is_repeat=True, seconds=3.0),
        row(1, "b", "yes"), row(1, "b", "no", is_repeat=True, seconds=5.0),
        row(1, "c", None), row(1, "c", "no", is_repeat=True),
    ]  # fmt: skip

    mine = groups(found)[1]

    assert mine.retest == (1, 2)
    assert mine.seconds == 4.0
    assert groups(found)[-1].name == "all"


def test_alpha_is_of_first_answers_alone():
    """Two people agree on a and b, of different answers: 1, whatever they say the second time."""
    found = [
        row(1, "a", "yes"), row(2, "a", "yes"), row(1, "b", "no"), row(2, "b", "no"),
        row(1, "a", "yes", is_repeat=True), row(2, "a", "no", is_repeat=True),
    ]  # fmt: skip

    assert groups(found)[-1].alpha == pytest.approx(1.0)
    assert rows(groups(found))[2][:3] == ("blind, button", "2", "6")
    assert rows(groups([]))[1] == ("blind, reaction", "0", "0", "-", "-", "-", "-")


# --- a whole study ------------------------------------------------------------------------------


class Silent:
    """A watcher that looks away."""

    def progress(self, *_said): ...

    def evaluated(self, *_said): ...

    def votes(self, *_said): ...

    def news(self, *_said): ...


async def take_part(link, name, says):
    """Agree to take part, then give the same answer on every card, for ever."""
    async with Guest.enter(link, name) as guest:
        done = set()
        while True:
            for message in await guest.messages():
                if not message["is_asking"] or message["id"] in done:
                    continue
                pressed = {b["id"]: b for b in message["presses"]}
                if AGREE in pressed:
                    await guest.press(message["id"], AGREE)
                    break
                done.add(message["id"])
                if message["menu"]:
                    await guest.submit(message["id"], {"A": "3"})
                elif pressed:
                    await guest.press(message["id"], says[0])
                else:
                    await guest.react(message["id"], says[1])
            await asyncio.sleep(0.1)


@pytest.mark.slow  # two real children and a control
async def test_a_whole_study_from_consent_to_export(tiny_spec, tmp_path):
    settings = Settings(_env_file=None, data_dir=tmp_path / "data", web_port=0)
    names = [in_condition(BLIND_REACTION), in_condition(OPEN_BUTTON)]
    at_work = []

    def announce(link):
        for name in names:
            at_work.append(asyncio.create_task(take_part(link, name, ("#1", "one"))))

    wanted = studied(tiny_spec(ask={"quorum": 2, "repeats": 2}))
    async with asyncio.timeout(120):
        run = await live(settings, wanted, Silent(), announce)
    for job in at_work:
        job.cancel()
    await asyncio.gather(*at_work, return_exceptions=True)

    whole = export(settings, run.run_id, tmp_path / "out")
    part = export(settings, run.run_id, tmp_path / "part", without=[names[0]])

    assert run.state is RunState.FINISHED
    with (tmp_path / "out" / "votes.csv").open() as file:
        found = list(csv.DictReader(file))
    assert {r["voter"] for r in found} == {"1", "2"}
    assert {r["condition"] for r in found} == {"blind, reaction", "open, button"}
    assert sum(r["is_repeat"] == "True" for r in found) == 4
    assert not any(name in (tmp_path / "out" / "votes.csv").read_text() for name in names)
    assert whole[-1].retest == (4, 4)
    assert whole[-1].voters == 2
    assert (part[0].voters, part[3].voters) == (0, 1)
    assert "| open, button | 1 |" in (tmp_path / "out" / "summary.md").read_text()


# --- the command --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--export", "r9"], "run r9 is no live study; there are: none yet"),
        (["--live", "a.yaml", "--export", "r9"], "--live a.yaml and --export r9 are two commands"),
        (["--live", "a.yaml"], "no spec at a.yaml"),
        (["--without", "ana"], "--without ana leaves somebody out of --export RUN"),
    ],
    ids=["unknown run", "two commands", "no spec", "nothing to leave out of"],
)
def test_wrong_words_are_answered_with_the_remedy(tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOULERY_DATA_DIR", str(tmp_path / "data"))

    shown = CliRunner().invoke(app, ["study", *words])

    assert said in str(shown.exception)
    assert not (tmp_path / "data" / "study").exists()

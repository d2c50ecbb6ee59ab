"""What comes of answers about several pictures on one card."""

import random

import numpy as np
import pytest

from bot import ask, home
from bot.bench.learning.team import Rater
from bot.bench.tasks.crew import Crew
from bot.dirt import audit_answers, is_audit
from bot.jury import OFF_TOPIC, Colleague, misfits
from bot.opinions import counted, opinions
from bot.study.answers import given as answers_given
from bot.study.conditions import Condition, shown
from storage.models import SheetView
from tests.bot.cards import T0, at, vote
from tests.bot.test_sheet_cards import LABELS, asked, candidate, card, sheet, some, spec
from trainer.segment import SegmentReport


def said(ballot, who, no=(), seconds=0.0):
    """Somebody's current votes: those do not fit, all others do."""
    return [
        vote(
            ballot, who, -1.0 if s.key in no else 1.0, subject=s.key, at=at(seconds),
            answer="no" if s.key in no else "yes",
        )
        for s in ballot.subjects
    ]  # fmt: skip


def test_each_picture_has_an_opinion_of_its_own_and_gold_measures_its_voters():
    ballot, *_ = asked([*some(3), candidate("known", role="gold", truth=0.0)]).ballots
    key = {s.target: s.key for s in ballot.subjects}
    cast = [v for who in ("ana", "bo") for v in said(ballot, who, {key["cat-1"], key["known"]})]

    found = opinions([ballot], cast)

    keep = {o.sample_id: o.keep for o in found.opinions.samples}
    assert set(keep) == {"cat-0", "cat-1", "cat-2"}
    assert keep["cat-1"] < 0.5 < min(keep["cat-0"], keep["cat-2"])
    assert (found.tally.votes, found.tally.voters) == (8, 2)
    assert counted([ballot], cast)[ballot.ballot_id][f"{key['cat-1']}:no"] == 2


def test_every_random_picture_counts_in_the_audit():
    ballot, *_ = asked([*some(5, role="audit"), candidate("known", role="gold", truth=1.0)]).ballots
    key = {s.target: s.key for s in ballot.subjects}
    cast = said(ballot, "ana", {key["cat-1"], key["known"]})

    judged = audit_answers([ballot], cast, opinions([ballot], cast).consensus)

    assert is_audit([ballot])
    assert sorted(one.is_yes for [one] in judged) == [False, True, True, True, True]


def test_ones_own_page_names_the_picture():
    ballot = sheet(3)
    [_, second, _] = said(ballot, "ana", {"2"})

    page = home.page([], [(second, ballot)])

    assert page.sections[1].lines == (f"r1 · {ballot.subjects[1].target}: does not fit",)


def test_a_sheet_is_shown_again_without_its_gold_and_numbered_anew():
    [ballot, *_] = asked([*some(3), candidate("known", role="gold", truth=1.0)]).ballots

    again = asked(some(1, "dog"), repeats=5, number=1, earlier=[ballot]).ballots[-1]

    assert again.ballot_id == "r1.human.q1.1"
    assert {s.target for s in again.subjects} == {"cat-0", "cat-1", "cat-2"}
    assert [(s.key, s.role) for s in again.subjects] == [(k, "repeat") for k in "123"]
    shown_ = SheetView.model_validate(again.view)
    assert shown_.sheet_path == "r1/sheets/r1.human.q1.1.png"
    assert [p.sample_id for p in shown_.pictures] == [s.target for s in again.subjects]
    assert ask.to_repeat([ballot, again], 5, "lot") == []


def test_one_picture_that_is_left_of_a_sheet_is_shown_again_by_itself():
    [ballot] = asked([*some(1), candidate("known", role="gold", truth=1.0)]).ballots

    again = asked(some(1, "dog"), repeats=1, number=1, earlier=[ballot]).ballots[-1]

    assert not again.is_sheet
    assert card(again).title == "Does the label “cat” fit this picture?"


def test_a_study_has_a_row_per_picture_and_one_time_for_what_was_said_at_once():
    ballot, other = sheet(3), sheet(2, label="dog").model_copy(update={"ballot_id": "b"})
    cast = [*said(ballot, "ana", seconds=5), *said(other, "ana", {"1"}, seconds=12)]

    found = answers_given([ballot, other], cast, {"ana"}, seed=1)

    assert [(one.card, one.answer) for one in found] == [
        (ballot.ballot_id, "yes"), (ballot.ballot_id, "yes"), (ballot.ballot_id, "yes"),
        ("b", "no"), ("b", "yes"),
    ]  # fmt: skip
    assert [one.seconds for one in found] == [None, None, None, 7.0, None]


def test_who_sees_what_was_said_in_a_study_sees_numbers_as_such():
    open_ = Condition(is_open=True, style="button")

    seen = shown(card(sheet(3)), open_, {"3:no": 2, "yes": 1})

    assert seen.tally == "So far: no. 3: 2 · All others fit 1"


@pytest.mark.parametrize("is_lazy", [False, True])
def test_a_simulated_colleague_marks_what_does_not_fit(is_lazy):
    ballot = sheet(10)
    shown_ = card(ballot).model_dump(mode="json")
    wrong = {ballot.subjects[2].target: "dog", ballot.subjects[6].target: OFF_TOPIC}
    truth = {s.target: wrong.get(s.target, "cat") for s in ballot.subjects}
    rng = random.Random(1)

    given_ = [misfits(shown_, truth, Colleague("Ada", 0.9, is_lazy), rng) for _ in range(500)]

    often = {key: sum(key in one for one in given_) / 500 for key in ("1", "3", "7")}
    expected = {"1": 0.0, "3": 0.0, "7": 0.0} if is_lazy else {"1": 0.1, "3": 0.9, "7": 0.9}
    assert often == pytest.approx(expected, abs=0.05)
    assert is_lazy or misfits(shown_, {}, Colleague("Ada", 0.9), rng) is None


@pytest.mark.parametrize("budget", [3, 9, 15])
def test_the_benchs_crew_answers_picture_by_picture_and_never_more_than_asked(budget):
    crew = Crew([Rater("p0", 1.0), Rater("p1", 1.0)], spec(), np.random.default_rng(0))
    report = SegmentReport(
        run_id="bench", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        labels=LABELS, candidates=some(9), started_at=T0, ended_at=T0,
    )  # fmt: skip

    crew.judge(report, {f"cat-{n}": "cat" if n else "dog" for n in range(9)}, budget)

    [ballot] = crew.ballots
    right = {s.key: "no" if s.target == "cat-0" else "yes" for s in ballot.subjects}
    assert len(crew.votes) <= budget
    assert len(crew.votes) >= min(budget, 9)
    assert all(right[v.subject] == v.answer for v in crew.votes)

"""The learning benchmark's arithmetic, and its simulated people."""

from __future__ import annotations

import json

import numpy as np
import pytest

from bot.bench.learning.cells import ASKED, Cell, ballots
from bot.bench.learning.resumed import Larder, all_cells, read_rows
from bot.bench.learning.summary import (
    HUMAN,
    Results,
    cost_to,
    figures,
    final,
    gates,
    interval,
    markdown,
)
from bot.bench.learning.team import TEAMS, Jury, phrases_for, team_of
from storage.models import SampleView
from tests.bot.cards import report_of
from trainer.segment import Candidate


def row(arm, *points, seed=0, recipe="mix", **more):
    """A cell; its points are (forwards, dev, metric)."""
    curve = [
        {"samples": f, "forwards": f, "cpu_s": f / 10, "dev": dev, "metric": metric}
        for f, dev, metric in points
    ]
    human = {"team": "good", "votes": 100} if arm == "human" else {"team": "", "votes": 0}
    return {
        "arm": arm, "recipe": recipe, "seed": seed, "epochs": 3.0, "words": False, "curve": curve,
        "samples": curve[-1]["samples"], "cpu_s": curve[-1]["cpu_s"], "people_s": 0.0,
    } | human | more  # fmt: skip


def test_between_two_evaluations_the_accuracy_runs_straight():
    found = row("human", (100, 0.5, 0.5), (200, 0.6, 0.7))

    assert cost_to(found, 0.6, "forwards") == pytest.approx(150)
    assert cost_to(found, 0.4, "forwards") == 100
    assert cost_to(found, 0.8, "forwards") is None


def test_an_arm_is_what_its_dev_set_chose_and_not_its_best_on_the_test_set():
    assert final(row("control", (1, 0.5, 0.9), (2, 0.7, 0.6), (3, 0.6, 0.8))) == 0.6


def test_the_interval_of_three_seeds_is_students():
    found = interval([1.0, 2.0, 3.0])

    assert found is not None
    assert found.mean == 2.0
    assert found.low == pytest.approx(2 - 4.3027 / 3**0.5, abs=1e-3)
    assert interval([]) is None
    assert str(interval([1.0])) == "+1.0 (1 seed)"


def test_votes_are_held_to_the_best_arm_without_them():
    results = Results([
        row("human", (10, 0.5, 0.80)), row("control", (10, 0.5, 0.60)),
        row("no_votes", (10, 0.5, 0.75)),
    ])  # fmt: skip

    (gain,) = results.gains("mix", HUMAN, ("control", "no_votes"))

    assert gain == pytest.approx(5.0)


def test_one_seed_that_never_gets_there_leaves_no_worst_ratio():
    rows = [row("stock", (1000, None, 0.7), seed=s) for s in (0, 1)]
    rows += [row("human", (50, 0.5, 0.8), seed=0), row("human", (50, 0.5, 0.6), seed=1)]

    first = figures(Results(rows))[0]

    assert first.value is None
    assert "1 of 2 seeds" in first.name


def test_a_benchmark_that_proves_nothing_says_so_first():
    results = Results([
        row("human", (10, 0.5, 0.80), answers_only=0.79), row("oracle", (10, 0.5, 0.86)),
        row("frozen-lr", (10, None, 0.7), on_right_rows=0.85),
    ])  # fmt: skip

    said = markdown(results, figures(results))

    assert len(gates(results)) == 2
    assert said.startswith("**Not valid as it stands: mix: fine-tuning what is right beats")


def candidates(n):
    return [
        Candidate(view=SampleView(sample_id=f"pool-{i}", text=f"t{i}", label="a"), role="ask")
        for i in range(n)
    ]


@pytest.mark.parametrize("team", TEAMS)
def test_a_jury_never_answers_more_than_it_was_asked_to(team):
    given = {f"pool-{i}": "a" for i in range(60)}
    truth = {i: "a" if int(i[5:]) % 2 else "b" for i in given}
    jury = Jury(TEAMS[team], truth, given, np.random.default_rng(0))

    jury.answer(report_of(candidates(60)), 30)

    assert jury.votes == 30
    assert len(set(jury.asked)) == len(jury.cards) <= 30
    assert all(0 <= (o.keep or 0) <= 1 for o in jury.opinions())


def test_a_good_team_is_mostly_right_and_its_fixes_name_the_truth():
    given = {f"pool-{i}": "a" for i in range(60)}
    truth = {i: "a" if int(i[5:]) % 2 else "b" for i in given}
    jury = Jury(TEAMS["good"], truth, given, np.random.default_rng(0))
    jury.answer(report_of(candidates(60)), 60)

    fixed = jury.fix(10, ["a", "b"])

    right = [(o.keep > 0.5) == (truth[o.sample_id] == "a") for o in jury.opinions()]
    assert np.mean(right) > 0.85
    assert fixed == 10
    assert sum(o.relabel == "b" for o in jury.opinions()) >= 8


def test_what_somebody_says_of_a_label_is_of_texts_in_no_pool():
    texts = {"pin": ["how do I change my pin", "new pin please"], "fee": ["why this fee"]}

    words, sentence = phrases_for("pin", texts, np.random.default_rng(0))

    assert words.split()[0] == "pin"
    assert sentence in texts["pin"]
    assert phrases_for("gone", texts, np.random.default_rng(0)) == ()


def test_a_team_is_as_large_and_as_good_as_its_name_says():
    team = team_of("3x0.85")

    assert [rater.accuracy for rater in team] == [0.85] * 3
    assert team_of("weak") is TEAMS["weak"]


def test_somebody_alone_answers_no_card_twice():
    given = {f"pool-{i}": "a" for i in range(60)}
    jury = Jury(team_of("1x0.9"), given, given, np.random.default_rng(0))

    jury.answer(report_of(candidates(60)), 50)

    assert len(jury.cards) == jury.votes == 50


def test_votes_are_asked_for_when_the_cell_says():
    """Of 100 votes 30 are an audit; before the first step the other 70 are asked in two."""
    assert ballots(100, "before") == ((0.0, 30), (0.0, 65), (0.0, 100))
    assert ballots(100, "first") == ((0.3, 30), (0.3, 100))
    assert ballots(100, "spread") == ((0.0, 30), (0.0, 33), (0.2, 67), (0.4, 100))
    assert all(ballots(25, when)[-1][1] == 25 for when in ASKED)


def test_a_second_audit_is_taken_out_of_the_same_votes():
    assert ballots(100, "before", 2) == ((0.0, 30), (0.0, 60), (0.0, 100))
    assert ballots(100, "first", 2) == ((0.3, 30), (0.3, 60), (0.3, 100))
    assert all(ballots(25, when, 2)[-1][1] == 25 for when in ASKED)


def test_cells_from_before_votes_could_be_asked_later_keep_their_names():
    assert Cell("mix", 0, 3000, "human", "good", 100).key == "mix-3000-0-e3-human-good-100"
    late = Cell("mix", 0, 3000, "human", "good", 100, asked_when="late")
    assert late.key == "mix-3000-0-e3-human-good-100-late"


async def test_what_is_done_is_not_done_again(tmp_path):
    cell = Cell("mix", 0, 10, "control")
    (tmp_path / "cells.jsonl").write_text(
        json.dumps({"cell": cell.key, "n": 10}) + '\n{"cell": "br'
    )
    heard = []

    rows = await all_cells([cell], Larder("nowhere"), tmp_path, lambda *said: heard.append(said))

    assert rows == [{"cell": cell.key, "n": 10}]
    assert heard == [(1, 1)]
    assert list(read_rows(tmp_path / "cells.jsonl")) == [cell.key]


def test_the_worst_of_careless_teams_is_held_to_its_control():
    rows = [row("control", (10, 0.5, 0.60), seed=s) for s in (0, 1)]
    rows += [row("human", (10, 0.5, a), seed=s, team="weak") for s, a in enumerate((0.7, 0.57))]
    rows += [row("human", (10, 0.5, 0.2), seed=0)]  # a good team is another row

    [harm] = [f for f in figures(Results(rows)) if "careless and adverse" in f.name]

    assert "worst of 2 runs" in harm.name
    assert harm.value == pytest.approx(-3.0)
    assert harm.holds is False

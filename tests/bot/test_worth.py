"""Whether asking pays, with figures worked by hand."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bot.dirt import Dirt
from bot.energy.prices import Prices
from bot.messages import decided
from bot.weighing import cleared_so_far
from bot.worth import (
    Decision,
    Effort,
    Forecast,
    Terms,
    as_it_came,
    asks_no_more,
    decide,
    forecast,
    is_like_control,
    net,
    next_ballot,
    predicted_ratio,
)
from storage.models import EnergySum, Round, RoundState
from tests.bot.cards import PAIRS, PROMPTS, T0, TEXTS
from trainer.segment import SegmentReport, SelectionReport

TERMS = Terms("quality-at-equal-energy", 0, 8.0, 30.0, Prices("EUR", 0.25, 40.0), TEXTS)
VALUES = ("quality-at-equal-energy", "machine-energy", "energy-with-devices", "money")
LAPTOP = Forecast(control_j=400.0, left_j=300.0, wait_w=5.0)
CLUSTER = Forecast(control_j=400e6, left_j=300e6, wait_w=5.0)
EFFORT = Effort.of(60, 2, TERMS, wait_w=5.0, wait_s=10.0)
DIRTY, CLEAN = Dirt(0.4, 0.28, 0.52, 18), Dirt(0.05, 0.01, 0.11, 18)


def by(value, **changes):
    return replace(TERMS, value=value, **changes)


def test_the_effort_of_sixty_cards_with_two_votes_each():
    """120 votes of 8 s = 960 s; at 30 W 28.8 kJ; the machine waits 10 s at 5 W."""
    assert Effort(60, 960.0, 28_800.0, 50.0) == EFFORT


@pytest.mark.parametrize(
    ("value", "gain"),
    [
        ("quality-at-equal-energy", 2.0),
        ("machine-energy", 35_950.0),
        ("energy-with-devices", 7_150.0),
        ("money", 35_950 / 3.6e6 * 0.25 - 960 / 3600 * 40),
    ],
)
def test_one_gain_in_four_currencies(value, gain):
    assert net(value, TERMS, EFFORT, quality=2.0, saved_j=36_000.0) == pytest.approx(gain)


def test_what_could_not_be_measured_is_not_zero():
    assert net("machine-energy", TERMS, EFFORT, quality=2.0, saved_j=None) is None


def test_the_predicted_ratio_is_the_designs():
    """1/(2.2 x 3) + .33 x .6 = .1515 + .198."""
    assert predicted_ratio(3, 0.6, 0.33) == pytest.approx(0.3495, abs=1e-4)
    assert predicted_ratio(3, 0.6, 0.33, scored=0.5, scorer=0.1) == pytest.approx(0.2056, abs=1e-4)


def test_quality_is_promised_in_the_unit_of_the_kind():
    """40 % dirt, 60 cards: 4 x .4 = 1.6 % of perplexity, .35 x .4 = 14 points of pairs."""
    prompts = decide(DIRTY, replace(TERMS, kind=PROMPTS), EFFORT, LAPTOP, epochs=3)
    pairs = decide(DIRTY, replace(TERMS, kind=PAIRS), EFFORT, LAPTOP, epochs=3)

    assert (prompts.go, prompts.unit) == (True, "% of perplexity")
    assert (
        "By rule of thumb your help is worth 1.6 % less perplexity at equal energy." in prompts.why
    )
    assert (pairs.go, pairs.unit) == (True, "points")
    assert "worth +14.0 points of accuracy at equal energy." in pairs.why


def test_little_perplexity_is_not_worth_many_cards():
    found = decide(
        DIRTY, replace(TERMS, kind=PROMPTS), replace(EFFORT, cards=200), LAPTOP, epochs=3
    )

    assert not found.go
    assert "less than the 1 % per 100 cards your time should bring" in found.why


def test_a_language_model_saves_little_energy_on_a_pool_that_is_mostly_clean():
    terms = replace(by("machine-energy"), kind=PROMPTS)

    found = decide(replace(DIRTY, mean=0.3, low=0.2), terms, EFFORT, CLUSTER, epochs=3)

    assert not found.go
    assert "costs about what that saves (predicted: 92%" in found.why


# --- after the audit ----------------------------------------------------------------------------


@pytest.mark.parametrize("value", VALUES)
def test_a_clean_pool_is_a_no_go_whatever_is_wanted(value):
    found = decide(CLEAN, by(value, later_runs=1000), EFFORT, CLUSTER, epochs=3)

    assert not found.go
    assert "About 5% of the pool looks wrong (likely 1% to 11%, from 18 random cards)" in found.why


UNSETTLED = Dirt(0.25, 0.13, 0.38, 18)


def test_an_audit_that_settles_nothing_asks_for_another_before_anything_is_decided():
    found = decide(UNSETTLED, TERMS, EFFORT, LAPTOP, epochs=3, again=20)

    assert (found.go, found.is_again, found.cards) == (True, True, 20)
    assert decided(found) == (
        "About 25% of the pool looks wrong (likely 13% to 38%, from 18 random cards). That may be "
        "more than 15%, where asking begins to pay, or less. So 20 more cards at random, to be sure."
    )
    assert not decide(UNSETTLED, TERMS, EFFORT, LAPTOP, epochs=3).go
    assert not decide(CLEAN, TERMS, EFFORT, LAPTOP, epochs=3, again=20).go


@pytest.mark.parametrize(
    ("value", "go"),
    [
        ("quality-at-equal-energy", True),
        ("machine-energy", True),
        ("energy-with-devices", False),
        ("money", False),
    ],
)
def test_on_a_laptop_votes_lose_once_people_are_counted(value, go):
    """400 J x (1 - .3495) = 260 J saved, 50 J waited; 28.8 kJ of devices, 10.67 EUR of time."""
    assert decide(DIRTY, by(value), EFFORT, LAPTOP, epochs=3).go is go


@pytest.mark.parametrize("value", VALUES)
def test_on_a_cluster_votes_pay_under_every_objective(value):
    """260 MJ = 72 kWh = 18 EUR against 10.67 EUR of people's time."""
    assert decide(DIRTY, by(value), EFFORT, CLUSTER, epochs=3).go


def test_later_runs_can_turn_the_balance():
    """Each later run saves 1 - .33 x .6 = .802 of 400 J: 100 of them 32 kJ."""
    alone = decide(DIRTY, by("energy-with-devices"), EFFORT, LAPTOP, epochs=3)
    with_others = decide(DIRTY, by("energy-with-devices", later_runs=100), EFFORT, LAPTOP, epochs=3)

    assert (alone.go, with_others.go) == (False, True)


def test_in_half_an_epoch_looking_at_the_pool_costs_what_it_saves():
    """1/(2.2 x .5) + .33 x .6 = 1.11: for quality alone that does not matter."""
    energy = decide(DIRTY, by("machine-energy"), EFFORT, LAPTOP, epochs=0.5)
    quality = decide(DIRTY, TERMS, EFFORT, LAPTOP, epochs=0.5)

    assert (energy.go, quality.go) == (False, True)
    assert "predicted: 111% of the energy without you" in energy.why


def test_where_joules_cannot_be_read_the_dirt_decides():
    unknown = Forecast(None, None, 0.0)

    assert decide(DIRTY, by("money"), EFFORT, unknown, epochs=3).go
    assert not decide(CLEAN, by("money"), EFFORT, unknown, epochs=3).go


def test_too_few_answers_stop_nobody():
    found = decide(None, TERMS, EFFORT, LAPTOP, epochs=3)

    assert found.go
    assert found.dirt is None


@pytest.mark.parametrize(
    ("effort", "then"),
    [
        (EFFORT, "So asking goes on: 60 more cards at most."),
        (
            Effort(0, 0.0, 0.0),
            "No more cards are planned: training goes on with what you have said.",
        ),
    ],
    ids=["cards ahead", "none ahead"],
)
def test_after_a_go_the_thread_hears_what_still_comes(effort, then):
    said = decided(decide(DIRTY, TERMS, effort, LAPTOP, epochs=3))

    assert said.startswith("About 40% of the pool looks wrong (likely 28% to 52%, from 18 random")
    assert said.endswith(then)


def test_after_a_no_go_the_thread_hears_that_answers_are_kept():
    said = decided(decide(CLEAN, TERMS, EFFORT, LAPTOP, epochs=3))

    assert "nothing more is asked, and training goes on with the whole pool" in said
    assert "Your answers are kept. Thank you!" in said


# --- before a ballot ----------------------------------------------------------------------------


@pytest.mark.parametrize(("after", "go"), [(0.19, True), (0.195, False), (0.25, False)])
def test_for_quality_a_ballot_must_promise_a_point_per_hundred_cards(after, go):
    """60 cards: .6 points = 1.8 % of dirt at a third of a point each; from 21 % to 19.2 %."""
    assert next_ballot(0.21, after, TERMS, EFFORT, LAPTOP).go is go


def test_a_ballot_that_pays_for_quality_and_one_that_does_not():
    """From 30 to 20 %: +3.3 points; from 20 to 19 %: +.3, below the .6 of 60 cards."""
    assert next_ballot(0.3, 0.2, TERMS, EFFORT, LAPTOP).go
    stop = next_ballot(0.2, 0.19, TERMS, EFFORT, LAPTOP)

    assert not stop.go
    assert stop.gain == pytest.approx(1 / 3)
    assert "less than the 1 point per 100 cards your time should bring" in stop.why


def test_for_machine_energy_the_wait_must_be_earned():
    """10 % less dirt in 300 J saves 30 J; waiting costs 50 J."""
    assert not next_ballot(0.3, 0.2, by("machine-energy"), EFFORT, LAPTOP).go
    assert next_ballot(0.3, 0.2, by("machine-energy", later_runs=1), EFFORT, LAPTOP).go


def test_a_gain_that_is_not_known_stops_nobody():
    assert next_ballot(None, None, TERMS, EFFORT, LAPTOP).go
    assert next_ballot(0.3, None, by("money"), EFFORT, LAPTOP).go


# --- what is stored -----------------------------------------------------------------------------


def a_round(outcome):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return Round(
        round_id="r1.human.q0", arm_id="r1.human", run_id="r1", n=0, state=RoundState.CLOSED,
        opened_at=now, closes_at=now, quorum=1, outcome=outcome,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "go", "no_more", "like_control"),
    [
        ("audit", True, False, False),
        ("audit", False, True, True),
        ("ballot", False, True, False),
    ],
)
def test_decisions_are_read_off_the_rounds(kind, go, no_more, like_control):
    rounds = [a_round(None), a_round({}), a_round({"decision": Decision(kind, go, "").as_json()})]

    assert asks_no_more(rounds) is no_more
    assert is_like_control(rounds) is like_control


# --- the forecast -------------------------------------------------------------------------------


def part(phase, joules, arm="human", seconds=10.0):
    return EnergySum(
        arm=arm, phase=phase, device="cpu", source="cpu-time", provenance="E-tdp",
        energy_j=joules, duration_s=seconds,
    )  # fmt: skip


def report(scored, trained):
    now = datetime(2026, 11, 23, tzinfo=UTC)
    return SegmentReport(
        run_id="r1", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        planned_samples=300, samples_scored=scored, samples_trained=trained,
        started_at=now, ended_at=now,
    )  # fmt: skip


def test_before_any_training_the_forecast_rests_on_the_cost_of_reading():
    """100 forwards for 10 J: .1 J each; 300 samples at 2.9 forwards: 87 J, + 5 load + 10 score."""
    parts = [part("load", 5, arm=None), part("score", 10), part("wait", 20), part("train", 9, "x")]

    found = forecast(parts, "human", [report(100, 0)])

    assert found == Forecast(pytest.approx(102), pytest.approx(87), pytest.approx(2))


def test_once_it_trained_the_forecast_rests_on_that():
    """100 of 300 samples for 40 J: 80 J are left, 120 J a whole run, + 10 score."""
    found = forecast(
        [part("score", 10), part("train", 40)], "human", [report(5, 0), report(0, 100)]
    )

    assert found == Forecast(pytest.approx(130), pytest.approx(80), 0.0)


def test_nothing_read_is_nothing_forecast():
    assert forecast([], "human", [report(100, 0)]).control_j is None


# --- what earlier ballots cleared ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "after"),
    [
        ([], 0.31),  # nothing to hold it against: as promised
        ([(0.02, 0.02)], 0.31),
        ([(0.03, 0.11)], 0.278),  # .13 came of .05, the promise itself counted in: 2.6 times .02
        ([(0.03, -0.01)], 0.326),  # .01 of .05
        ([(0.03, -0.20)], 0.33),  # no ballot is expected to do harm
        ([(0.001, 9.0)], 0.0),
    ],
)
def test_what_a_ballot_promises_is_taken_by_what_earlier_ones_cleared(earlier, after):
    """The promise is .02 of .33."""
    promised = 0.31

    assert as_it_came(0.33, promised, earlier) == pytest.approx(after)


def test_what_is_not_known_stays_so():
    assert as_it_came(None, None, [(0.1, 0.1)]) is None
    assert as_it_came(0.3, None, [(0.1, 0.1)]) is None
    assert as_it_came(0.3, 0.3, []) == 0.3


def test_a_ballot_cleared_what_the_next_report_with_more_votes_says():
    def report(votes, impurity, after):
        selection = SelectionReport(
            pool=9, kept=9, dropped=0, reweighted=0, votes=votes, impurity=impurity,
            impurity_after=after,
        )  # fmt: skip
        return SegmentReport(
            run_id="r1", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
            selection=selection, started_at=T0, ended_at=T0,
        )  # fmt: skip

    reports = [
        report(0, None, None), report(54, 0.39, 0.36), report(108, 0.33, 0.32),
        report(108, 0.34, 0.33),  # it trained on, nobody was asked
        report(288, 0.23, None),
    ]  # fmt: skip

    assert cleared_so_far(reports) == [
        (pytest.approx(0.03), pytest.approx(0.06)), (pytest.approx(0.01), pytest.approx(0.11))
    ]  # fmt: skip

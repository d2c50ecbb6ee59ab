"""What a finished run says of itself, with figures worked by hand."""

from dataclasses import replace

import pytest

from bot.energy.prices import Prices
from bot.history import ArmHistory, Point
from bot.pictures import metric_over_energy
from bot.record import ArmRecord, RunRecord
from bot.report import comparison_report, curves, run_report, table
from bot.verdict import verdict, verdicts
from bot.worth import Decision, Terms
from storage import energy
from storage.models import EnergySum, Round, RoundState, Run, RunState
from tests.bot.cards import T0, TEXTS
from trainer.kinds import KINDS


def part(arm, joules, phase="train", provenance="E-tdp"):
    return EnergySum(
        arm=arm, phase=phase, device="cpu", source="cpu-time", provenance=provenance,
        energy_j=joules, duration_s=1.0,
    )  # fmt: skip


def arm(name, points, joules, provenance="E-tdp"):
    parts = [part(name, joules, provenance=provenance)]
    history = ArmHistory(name, tuple(Point(*p) for p in points), energy.total(parts))
    return ArmRecord(history=history, parts=parts, reports=[], wall_s=1.0)


PRICES = Prices("EUR", 0.25, 40.0)
TERMS = Terms("quality-at-equal-energy", 0, 8.0, 30.0, PRICES, TEXTS)
"""10 votes of 8 s at 30 W: 80 s of people's time, 2400 J of their devices."""


def record(*arms, votes=10, rounds=(), task="text-classification", **terms):
    run = Run(
        run_id="r1", name="demo", spec={"task": task}, seed=0, state=RunState.FINISHED, folder="/runs/r1",
        created_by="web:ana", created_at=T0,
    )  # fmt: skip
    return RunRecord(
        run=run,
        arms={a.history.name: a for a in arms},
        rounds=rounds,
        votes=votes,
        cards=5,
        terms=replace(TERMS, kind=KINDS[task], **terms),
        notes=("CPU: estimated",),
    )


CONTROL = arm("control", [(0, 100, 0.5), (10, 400, 0.7)], 400)
HUMAN = arm("human", [(0, 100, 0.6), (10, 300, 0.8)], 300)


def test_the_ratio_is_the_humans_joules_to_the_controls_end_over_all_the_controls():
    """.7 lies half way between .6 at 100 J and .8 at 300 J: 200 J of the control's 400."""
    report = run_report(record(HUMAN, CONTROL))

    assert report["target"] == 0.7
    assert report["arms"]["human"]["energy_to_target_j"] == pytest.approx(200)
    assert report["energy_to_target_ratio"] == pytest.approx(0.5)
    assert report["cost_of_proof_j"] == pytest.approx(400)


def test_votes_that_save_less_than_the_devices_used_do_not_pay():
    """200 J saved against 2400 J: a run 12 times as large would pay."""
    said = "\n".join(verdict(record(HUMAN, CONTROL)))

    assert "50% of the control's (≈ 200 J ±100 saved, one pair, no interval)" in said
    assert "the votes do not pay" in said
    assert "12 times as large" in said
    assert "Cost of proof (arms trained only to compare): ≈ 400 J" in said


def test_votes_that_save_more_than_the_devices_used_pay():
    said = "\n".join(verdict(record(HUMAN, CONTROL, device_w=0.6)))

    assert "the votes still pay" in said


def test_nothing_is_claimed_in_general_from_fewer_than_three_pairs():
    told = record(HUMAN, CONTROL)
    reports = [run_report(told)] * 3

    one, two, three = verdict(told), *(comparison_report(reports[:n])["verdict"] for n in (2, 3))

    assert "the votes paid here (one pair, no interval), +10.0 points" in one[0]
    assert "the votes paid here, paid in 2 of 2 seeds" in two[0]
    assert "(2 pairs, no interval)" in two[0]
    assert "the votes pay, paid in 3 of 3 seeds" in three[0]


def test_an_arm_that_never_gets_there_has_no_ratio_and_did_not_pay():
    poor = arm("human", [(0, 100, 0.4), (10, 300, 0.6)], 300)

    report = run_report(record(poor, CONTROL))

    assert report["energy_to_target_ratio"] is None
    assert report["arms"]["human"]["energy_to_target_j"] is None
    assert any("did not pay" in line for line in report["verdict"])
    assert table(report)[1][4] == "never"


def test_without_a_control_nothing_is_claimed():
    said = verdict(record(HUMAN))

    assert "nothing is claimed" in said[-1]


def test_energies_that_stand_side_by_side_share_a_unit_and_say_that_they_are_estimated():
    rows = table(run_report(record(HUMAN, CONTROL)))

    assert [row[3] for row in rows[1:]] == ["≈ 300 J ±150", "≈ 400 J ±200"]


def test_accuracy_stands_against_the_energy_so_far_for_all_arms():
    short = arm("control", [(0, 100, 0.5)], 400)

    assert curves(run_report(record(HUMAN, short))) == [
        ("samples", "with your votes", "control (nobody asked)"),
        ("0", "60.0 % at ≈ 100 J ±50", "50.0 % at ≈ 100 J ±50"),
        ("10", "80.0 % at ≈ 300 J ±150", ""),
    ]


def test_measured_energy_carries_no_sign_of_an_estimate():
    measured = arm("human", [(0, 100, 0.6)], 300, provenance="M-ctr")

    assert table(run_report(record(measured)))[1][3].startswith("300 J")


def test_several_seeds_are_averaged_number_by_number():
    """Ratios .5 and 1.0 make .75; a seed that never arrives makes the mean unknown."""
    half = run_report(record(HUMAN, CONTROL))
    slow = arm("human", [(0, 100, 0.6), (10, 400, 0.7)], 400)
    whole = run_report(record(slow, CONTROL))
    never = run_report(record(arm("human", [(0, 100, 0.4)], 300), CONTROL))

    assert comparison_report([half, whole])["energy_to_target_ratio"] == pytest.approx(0.75)
    assert comparison_report([half, never])["energy_to_target_ratio"] is None
    assert comparison_report([half, whole])["arms"]["human"]["energy_j"]["total"]["j"] == 350


# --- by objective -------------------------------------------------------------------------------

NAMES = arm("no_votes", [(0, 100, 0.6), (10, 300, 0.75)], 300)


def paid(found):
    return {value: one["pays"] for value, one in found.items()}


def test_votes_are_weighed_under_all_objectives_and_lose_once_people_are_counted():
    """200 of the control's 400 J saved; 2400 J of devices; 80 s = .89 EUR."""
    found = verdicts(record(HUMAN, CONTROL))

    assert paid(found) == {
        "quality-at-equal-energy": True,
        "machine-energy": True,
        "energy-with-devices": False,
        "money": False,
    }
    assert found["machine-energy"]["gain"] == pytest.approx(200)
    assert found["energy-with-devices"]["gain"] == pytest.approx(-2200)
    assert found["money"]["gain"] == pytest.approx(200 / 3.6e6 * 0.25 - 80 / 3600 * 40)
    assert found["money"]["unit"] == "EUR"


def test_quality_is_compared_at_the_joules_of_the_best_arm_without_people():
    """That is names only, .75 for 300 J; with votes .6 at 100 J and .9 at 500 J: .75 at 300 J."""
    slow = arm("human", [(0, 100, 0.6), (10, 500, 0.9)], 500)

    found = verdicts(record(slow, CONTROL, NAMES))["quality-at-equal-energy"]

    assert found["gain"] == pytest.approx(0)
    assert found["pays"] is False
    assert "75.0 % against 75.0 % of label names only" in found["why"]


def test_joules_are_saved_against_the_cheapest_way_without_people():
    """.7 is reached by names at 100 + 200 x 2/3 = 233 J, with votes at 200 J."""
    found = verdicts(record(HUMAN, CONTROL, NAMES))["machine-energy"]

    assert found["gain"] == pytest.approx(233.3 - 200, abs=0.1)
    assert "≈ 33 J ±17 saved against label names only" in found["why"]


def test_the_control_is_held_to_when_it_first_had_its_final_accuracy():
    """.7 at 250 J already, between .5 at 100 J and .9 at 400 J; with votes at 200 J."""
    early = arm("control", [(0, 100, 0.5), (5, 400, 0.9), (10, 600, 0.7)], 600)

    found = verdicts(record(HUMAN, early))["machine-energy"]

    assert found["gain"] == pytest.approx(50)
    assert "≈ 50 J ±25 saved against the control" in found["why"]


def test_later_runs_save_as_much_again_each():
    """200 J x (1 + 20) = 4200 J against 2400 J of devices."""
    found = verdicts(record(HUMAN, CONTROL, later_runs=20))["energy-with-devices"]

    assert found["gain"] == pytest.approx(1800)
    assert found["pays"] is True
    assert "20 later runs that go likewise included" in found["why"]


def test_where_the_control_was_never_reached_no_energy_was_saved():
    poor = arm("human", [(0, 100, 0.4), (10, 300, 0.6)], 300)

    found = verdicts(record(poor, CONTROL))

    assert not any(paid(found).values())
    assert found["money"]["gain"] is None


@pytest.mark.parametrize(
    ("votes", "arms", "why"),
    [(0, (HUMAN, CONTROL), "nobody voted"), (10, (HUMAN,), "no control was trained")],
    ids=["no votes", "no control"],
)
def test_where_nothing_can_be_said_nothing_is(votes, arms, why):
    found = verdicts(record(*arms, votes=votes))

    assert set(paid(found).values()) == {None}
    assert {one["why"] for one in found.values()} == {why}


def test_without_prices_money_is_left_out_and_its_key_says_why():
    bare = record(HUMAN, CONTROL, prices=Prices())

    report = run_report(bare)

    assert not any("money" in line.lower() for line in report["verdict"])
    assert report["verdicts"]["money"]["pays"] is None
    assert "JOULERY_LABOUR_PER_HOUR" in report["verdicts"]["money"]["why"]
    assert report["people"]["eur_per_kwh"] is None
    over = comparison_report([report, report])
    assert not any("money" in line.lower() for line in over["verdict"])


def test_a_gain_whose_interval_covers_zero_is_not_called_one():
    """+10, +10 and -20 points over the control: the mean is 0, and nothing is claimed."""
    ends = (0.85, 0.85, 0.45)
    humans = [arm("human", [(0, 100, 0.4), (10, 400, end)], 400) for end in ends]
    found = comparison_report([run_report(record(human, CONTROL)) for human in humans])

    quality = found["verdicts"]["quality-at-equal-energy"]
    assert quality["pays"] is None
    assert quality["interval"][0] < 0 < quality["interval"][1]
    assert "the interval covers zero, so no gain is claimed" in quality["why"]
    assert found["saving"] is None  # one of them never got there
    assert "reached in 2 of 3 pairs, so no saving is claimed" in found["verdict"][-1]


@pytest.mark.parametrize("value", ["quality-at-equal-energy", "money"])
def test_the_stated_objective_comes_first(value):
    lines = verdict(record(HUMAN, CONTROL, value=value))

    assert "(the stated value; no later run counted)" in lines[0]
    assert sum("(the stated value" in line for line in lines) == 1
    assert [line.startswith("By ") for line in lines[:5]] == [True] * 4 + [False]


def test_the_report_says_what_was_wanted_and_what_was_decided():
    why = "About 4% of the pool looks wrong."
    closed = Round(
        round_id="r1.human.q0", arm_id="r1.human", run_id="r1", n=0, state=RoundState.CLOSED,
        opened_at=T0, closes_at=T0, quorum=1,
        outcome={"decision": Decision("audit", False, why).as_json()},
    )  # fmt: skip

    report = run_report(record(HUMAN, CONTROL, rounds=[closed], later_runs=3))

    assert (report["value"], report["later_runs"]) == ("quality-at-equal-energy", 3)
    assert report["decisions"][0]["go"] is False
    assert report["verdict"][0] == f"Asking was broken off: {why}"


def test_over_several_seeds_the_mean_gain_decides():
    """+20 and -10 points: they pay on the whole, in one of two seeds."""
    good = arm("human", [(0, 100, 0.6), (10, 300, 0.9)], 300)
    bad = arm("human", [(0, 100, 0.5), (10, 300, 0.6)], 300)
    reports = [run_report(record(a, CONTROL)) for a in (good, bad)]

    whole = comparison_report(reports)

    quality = whole["verdicts"]["quality-at-equal-energy"]
    assert (quality["pays"], quality["gain"]) == (True, pytest.approx(5))
    assert "paid in 1 of 2 seeds, mean gain 5" in whole["verdict"][0]
    assert whole["verdicts"]["machine-energy"]["pays"] is False  # never reached in one of them


# --- perplexities -------------------------------------------------------------------------------


def test_a_language_model_is_judged_by_its_perplexity_which_is_better_lower():
    """At the control's 400 J: 20 with votes against 25 without is a fifth saved."""
    human = arm("human", [(0, 100, 1 / 40), (10, 300, 1 / 20)], 300)
    control = arm("control", [(0, 100, 1 / 40), (10, 400, 1 / 25)], 400)
    alone = arm("no_votes", [(0, 100, 1 / 40), (10, 400, 1 / 32)], 400)
    report = run_report(record(human, control, alone, task="causal-lm"))

    found = report["verdicts"]["quality-at-equal-energy"]
    assert found["gain"] == pytest.approx(20.0)
    assert found["unit"] == "% of perplexity"
    assert found["pays"]
    assert "-20.0 % perplexity at ≈ 400 J ±200, 20.0 against 25.0 of the control" in found["why"]
    said = " ".join(report["verdict"])
    assert "Perplexity: 20.0 with votes, 25.0 without (-20.0 % perplexity)." in said
    assert "Against automatic signals only (nobody asked): -37.5 % perplexity." in said
    assert "ccuracy" not in said
    assert table(report)[0][1] == "perplexity"
    assert [row[1] for row in table(report)[1:]] == ["20.0", "25.0", "32.0"]
    assert "40.0 at ≈ 100 J ±50" in curves(report)[1]


def test_the_chart_of_a_language_model_is_drawn_in_perplexities():
    control = arm("control", [(0, 100, 1 / 40), (10, 400, 1 / 25)], 400)
    report = run_report(record(control, task="causal-lm"))

    chart = metric_over_energy(report, "t")

    assert chart["y_label"] == "perplexity"
    assert chart["lines"][0]["y"] == pytest.approx([40.0, 25.0])

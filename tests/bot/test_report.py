"""What a finished run says of itself, with figures worked by hand."""

import pytest

from bot.history import ArmHistory, Point
from bot.report import (
    ArmRecord,
    RunRecord,
    comparison_report,
    curves,
    run_report,
    table,
    verdict,
)
from storage import energy
from storage.models import EnergySum, Run, RunState
from tests.bot.cards import T0


def part(arm, joules, phase="train", provenance="E-tdp"):
    return EnergySum(
        arm=arm, phase=phase, device="cpu", source="cpu-time", provenance=provenance,
        energy_j=joules, duration_s=1.0,
    )  # fmt: skip


def arm(name, points, joules, provenance="E-tdp"):
    parts = [part(name, joules, provenance=provenance)]
    history = ArmHistory(name, tuple(Point(*p) for p in points), energy.total(parts))
    return ArmRecord(history=history, parts=parts, reports=[], wall_s=1.0)


def record(*arms, votes=10, human_s=80.0, device_j=2400.0):
    run = Run(
        run_id="r1", name="demo", spec={}, seed=0, state=RunState.FINISHED, folder="/runs/r1",
        created_by="web:ana", created_at=T0,
    )  # fmt: skip
    return RunRecord(
        run=run,
        arms={a.history.name: a for a in arms},
        votes=votes,
        cards=5,
        human_s=human_s,
        device_j=device_j,
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

    assert "50% of the control's (200 J saved, one pair, no interval)" in said
    assert "the votes do not pay" in said
    assert "12 times as large" in said
    assert "Cost of proof (arms trained only to compare): ≈ 400 J" in said


def test_votes_that_save_more_than_the_devices_used_pay():
    said = "\n".join(verdict(record(HUMAN, CONTROL, device_j=50.0)))

    assert "the votes still pay" in said


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
        ("0", "60.0 % at 100 J", "50.0 % at 100 J"),
        ("10", "80.0 % at 300 J", ""),
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

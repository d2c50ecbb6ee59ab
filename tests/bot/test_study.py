"""The study's arithmetic by hand, its grid, its recorded votes, and the command on finished cells."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.study import charts
from bot.study.plan import USUAL, Grid, Setting, settings
from bot.study.recorded import RATERS, by_data_set, images, recorded, share_of_majority
from bot.study.simulated import Findings, markdown
from bot.study.summary import Prices, by_setting, by_task, lines, outcomes, verdicts

SHARED = Path(__file__).parents[3] / "shared/data"
PRICES = Prices(watts_per_core=4.0, device_w=30.0)


def cell(arm, *curve, seed=0, setting=USUAL, task="mix"):
    """A row of `cells.jsonl`; its points are (CPU seconds, dev, test)."""
    is_human = arm == "human"
    return {
        "recipe": task, "seed": seed, "arm": arm, "team": setting.team if is_human else "",
        "votes": setting.votes if is_human else 0, "asked_when": setting.asked_when,
        "n": 1000, "epochs": 3.0,
        "curve": [
            {"cpu_s": s, "forwards": 10 * s, "samples": 10 * s, "dev": dev, "metric": test}
            for s, dev, test in curve
        ],
        "people_s": 4.2 * setting.votes if is_human else 0.0,
    }  # fmt: skip


CONTROL = cell("control", (10.0, 0.3, 0.3), (100.0, 0.7, 0.7))


def test_what_is_saved_is_the_controls_energy_less_what_its_accuracy_took():
    """.7 is reached half way between 20 and 40 CPU seconds: 30 s x 4 W = 120 J of 400 J."""
    human = cell("human", (20.0, 0.6, 0.6), (40.0, 0.8, 0.8))

    [one] = outcomes([CONTROL, human], PRICES)

    assert (one.control_j, one.energy_j) == (400.0, 160.0)
    assert one.reached_j == pytest.approx(120.0)
    assert one.saved_j == pytest.approx(280.0)


def test_voters_devices_are_paid_for_beside_it():
    """100 votes x 4.2 s = 420 s x 30 W = 12600 J, for 280 J saved."""
    human = cell("human", (20.0, 0.6, 0.6), (40.0, 0.8, 0.8))

    [line] = lines(outcomes([CONTROL, human], PRICES), PRICES)

    assert line.devices_j == pytest.approx(12600.0)
    assert line.saved_with_devices_j == pytest.approx(280.0 - 12600.0)
    assert line.points == pytest.approx(10.0)
    [said] = verdicts([line])
    assert "it takes 280 J ±140 less machine energy (≈, estimate; reached in 1 of 1 pools)" in said
    assert said.endswith("it takes 3.4 Wh ±1.7 more. So in one such run votes save no energy.")


def test_a_saving_below_zero_is_said_plainly():
    human = cell("human", (50.0, 0.1, 0.1), (200.0, 0.9, 0.7))

    [line] = lines(outcomes([CONTROL, human], PRICES), PRICES)

    assert line.saved_j == pytest.approx(-400.0)
    assert "it takes 400 J ±200 more machine energy" in verdicts([line])[0]


def test_what_the_control_spends_to_be_sure_is_no_saving_of_votes():
    """It had .7 after 60 s already and went on to 100: an arm that took 60 s saved nothing."""
    control = cell("control", (60.0, 0.7, 0.7), (100.0, 0.7, 0.7))

    [one] = outcomes([control, cell("human", (60.0, 0.7, 0.7))], PRICES)

    assert (one.control_j, one.control_reached_j, one.saved_j) == (400.0, 240.0, 0.0)


def test_votes_are_held_against_label_names_too():
    """80 % with votes, 76 % with names, 70 % for the control; names reach it after 10 s = 40 J."""
    names, human = cell("no_votes", (10.0, 0.7, 0.76)), cell("human", (20.0, 0.8, 0.8))

    [said] = verdicts(lines(outcomes([CONTROL, names, human], PRICES), PRICES))

    assert "+10.0 points against control, +4.0 against the best arm without votes" in said
    assert "with label names alone, asking nobody, it takes 360 J ±180 less" in said


def test_what_was_reached_before_anybody_was_asked_is_no_merit_of_votes():
    """Asked at .6 of 3 x 1000 samples; the control's accuracy came after 400."""
    late = Setting(asked_when="late")

    [line] = lines(
        outcomes([CONTROL, cell("human", (40.0, 0.7, 0.7), setting=late)], PRICES), PRICES
    )

    assert line.unasked == 1
    assert "+240 before asking" in by_setting([line])[1]


def test_who_never_reaches_the_control_saves_nothing_and_is_in_no_mean():
    reached = cell("human", (20.0, 0.7, 0.7))
    not_reached = cell("human", (20.0, 0.5, 0.5), seed=1)
    rows = [CONTROL, {**CONTROL, "seed": 1}, reached, not_reached]

    [line] = lines(outcomes(rows, PRICES), PRICES)

    assert (line.seeds, line.reached, line.saved_j) == (2, 1, 320.0)
    assert "+320 (1/2)" in by_setting([line])[1]


def test_a_pool_without_a_control_is_held_against_nothing():
    assert outcomes([cell("human", (1.0, 0.5, 0.5))], PRICES) == []


def test_there_is_one_row_per_task():
    rows = [
        CONTROL, cell("no_votes", (5.0, 0.6, 0.6)), cell("human", (20.0, 0.7, 0.7)),
        cell("human", (20.0, 0.8, 0.8), setting=Setting(votes=25)),
        {**CONTROL, "recipe": "clean"}, cell("human", (20.0, 0.7, 0.7), task="clean"),
    ]  # fmt: skip

    _, *body = by_task(lines(outcomes(rows, PRICES), PRICES))

    assert [row[0] for row in body] == ["mix", "clean"]
    assert body[0][1:6] == ("70.0", "400", "400", "60.0", "never")
    assert body[1][4:6] == ("-", "-")


def test_the_grid_reaches_from_one_to_twenty_people_and_from_25_to_1000_votes():
    found = settings(is_quick=False)

    assert found[0] == USUAL
    assert len(set(found)) == len(found)
    assert {s.raters for s in found} == {1, 2, 5, 10, 20}
    assert {s.votes for s in found} == {25, 50, 100, 200, 500, 1000}
    assert {s.accuracy for s in found} == {0.6, 0.7, 0.8, 0.9, 1.0}
    assert {s.asked_when for s in found} == {"before", "first", "spread", "late"}


def test_a_setting_is_read_back_from_its_cell():
    setting = Setting(raters=20, accuracy=0.6, votes=50, asked_when="late")

    assert Setting.of(cell("human", (1.0, 0.5, 0.5), setting=setting)) == setting
    assert Setting.of(CONTROL) is None


def test_the_quick_grid_is_one_seed_and_a_handful_of_cells():
    found = Grid(seeds=(0,), is_quick=True).cells()

    assert len(found) == 15
    assert len({one.key for one in found}) == 15
    assert all(one.n <= 1500 for one in found)


def test_a_tie_counts_as_much_as_guessing_among_those_tied():
    """Right; one of two tied: 1/2; one of three: 1/3; wrong."""
    said = np.array([[1, 1, 0], [0, 1, 3], [2, 1, 0], [3, 3, 2]])
    truth = np.array([1, 2, 2, 2])

    assert share_of_majority(said, truth) == pytest.approx((1 + 0 + 1 / 3 + 0) / 4)
    assert share_of_majority(said[:, :2], truth) == pytest.approx((1 + 0 + 1 / 2 + 0) / 4)


def test_where_nothing_is_recorded_nothing_is_claimed(tmp_path):
    assert recorded(tmp_path) == []
    said = markdown(Findings([], []), Grid(), PRICES)
    assert "None at hand" in said


def test_three_votes_on_real_images_are_right_more_often_than_one():
    if not (SHARED / "cifar10_train_n").is_dir():
        pytest.skip(f"no recorded votes at {SHARED / 'cifar10_train_n'}")

    found = images(SHARED / "cifar10_train_n", limit=300)

    assert [one.raters for one in found] == [1, 2, 3]
    assert found[2].majority > found[0].majority + 0.03
    assert found[2].seconds == pytest.approx(3 * 4.668, abs=0.01)
    assert by_data_set(found)[1][:3] == ("CIFAR-10N", "300", "4.7 recorded")
    assert len(by_data_set(found)[1]) == 3 + len(RATERS)


def test_a_chart_has_a_line_per_accuracy_and_no_point_for_never():
    rows = [
        CONTROL, cell("no_votes", (5.0, 0.6, 0.6)), cell("human", (20.0, 0.7, 0.7)),
        cell("human", (20.0, 0.8, 0.8), setting=Setting(votes=25)),
        cell("human", (20.0, 0.6, 0.6), setting=Setting(accuracy=0.6)),
        cell("human", (20.0, 0.7, 0.7), setting=Setting(raters=20)),
    ]  # fmt: skip
    found = lines(outcomes(rows, PRICES), PRICES)

    saved = charts.over_labour(found, "mix", "saved")
    accurate = charts.over_labour(found, "mix", "accuracy")

    assert [(line["name"], line["x"]) for line in saved["lines"]] == [
        ("5 people right 90%", [105.0, 420.0])
    ]
    assert len(accurate["lines"]) == 3
    assert accurate["target"] == pytest.approx(70.0)
    assert charts.when_asked(rows, "mix", PRICES)["lines"][0]["x"] == [40.0, 400.0]


def test_the_command_writes_tables_lines_and_pictures_of_what_is_done(tmp_path, monkeypatch):
    """Every cell is done already, so nothing is trained and no data is looked at."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    rows = []
    for one in Grid(seeds=(0,), is_quick=True).cells():
        points = [(10.0, 0.5, 0.5), (50.0, 0.8, 0.8)]
        row = {**CONTROL, "curve": CONTROL["curve"]} if one.arm == "control" else None
        row = row or cell(one.arm, *points, setting=USUAL)
        row |= {"recipe": one.recipe, "team": one.team, "votes": one.votes}
        rows.append(row | {"asked_when": one.asked_when, "cell": one.key})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "cells.jsonl").write_text("\n".join(map(json.dumps, rows)))

    shown = CliRunner().invoke(app, ["study", "--quick", "--data", "csv:none", "--folder", "out"])

    assert shown.exit_code == 0, shown.output
    assert "mix, 420 s of people's time: +10.0 points against control" in shown.output
    report = (tmp_path / "out" / "study.md").read_text()
    assert "## One row per task" in report
    assert "Every joule is an estimate: CPU seconds x 4 W per core" in report
    said = [
        json.loads(line) for line in (tmp_path / "out" / "study.jsonl").read_text().splitlines()
    ]
    assert len(said) == 13
    for name in ("mix-saved", "mix-accuracy", "mix-when", "clean-when"):
        assert (tmp_path / "out" / f"{name}.png").stat().st_size > 5000

"""Forecasts: by hand first, then their bands over simulated runs."""

import numpy as np
import pytest
from scipy.stats import t as student_t

from bot.bench.energy import foresight as bench
from bot.energy import budget
from bot.energy.budget import BudgetError, Spent
from bot.energy.foresight import (
    DRIFT,
    Ahead,
    Band,
    Cost,
    Outlook,
    Pace,
    against_budget,
    foretell,
    said,
    student,
)

STEADY = [Pace(samples=10, energy_j=20.0, seconds=5.0)] * 6


def test_a_steady_run_goes_on_at_its_pace():
    """60 samples took 120 J; 100 more take 200 J, two evaluations of 15 J and 1 s on top."""
    found = foretell(Spent(130.0, 31.0), STEADY, Ahead(100, ((2, Cost(15.0, 1.0)),)))

    assert found is not None
    assert found.energy_j.value == pytest.approx(130 + 200 + 30)
    assert found.left_s.value == pytest.approx(50 + 2)
    assert found.energy_j.high - found.energy_j.value == pytest.approx(
        np.hypot(DRIFT * 200, 0.3 * 30)
    )


def test_nothing_is_foretold_from_a_few_looks():
    assert foretell(Spent(), STEADY[:4], Ahead(100)) is None


def test_a_run_whose_pace_varies_has_a_wider_band():
    uneven = [Pace(10, j, 5.0) for j in (10.0, 30.0, 10.0, 30.0, 10.0, 30.0)]

    steady, varied = (foretell(Spent(), p, Ahead(100)) for p in (STEADY, uneven))

    assert varied.energy_j.value == pytest.approx(steady.energy_j.value)
    assert varied.energy_j.high > 1.1 * steady.energy_j.high


@pytest.mark.parametrize("df", [4, 5, 9, 30, 200])
def test_the_quantile_is_students(df):
    assert student(0.975, df) == pytest.approx(student_t.ppf(0.975, df), rel=0.01)


def test_bands_hold_what_happens_in_simulated_runs():
    """Steps that vary by a quarter and drift by up to 6 %: nine in ten ends lie within."""
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(200):
        steps = rng.gamma(16, 1 / 16, 2000) * np.linspace(1, 1 + rng.uniform(-0.06, 0.06), 2000)
        paces = [Pace(10, float(chunk.sum()), 1.0) for chunk in np.split(steps[:100], 10)]
        band = foretell(Spent(float(steps[:100].sum())), paces, Ahead(1900)).energy_j
        inside += band.low <= steps.sum() <= band.high

    assert inside >= 180


def test_it_is_said_with_unit_band_and_label():
    outlook = Outlook(Band(7200.0, 6800.0, 7600.0), Band(600.0, 560.0, 640.0))

    assert said(outlook, is_estimated=True) == (
        "Forecast: ≈ 2.00 Wh ±0.11 in all, as this host's meter tells it (estimated), and 10 min "
        "of work left (9 min 20 s to 10 min 40 s); less where it ends early."
    )


# --- budgets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "of", "amount"),
    [
        ("0.5kWh", "energy", 1.8e6),
        ("500 wh", "energy", 1.8e6),
        ("1,5MJ".replace("MJ", "kJ"), "energy", 1500),
        ("90min", "time", 5400),
        ("2h", "time", 7200),
        ("0.001MWh", "energy", 3.6e6),
        ("0.2kgCO2e", "carbon", 200),
    ],
)
def test_a_budget_is_read(text, of, amount):
    found = budget.parse(text)

    assert (found.kind.of, found.amount) == (of, pytest.approx(amount))


@pytest.mark.parametrize(
    "text", ["", "much", "5", "kWh", "-1kWh", "1 elephant", "1e9kWh", "nan h", "5mWh"]
)
def test_what_is_no_budget_is_refused_with_an_example(text):
    with pytest.raises(BudgetError, match=r"0\.5kWh"):
        budget.parse(text)


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(BudgetError, match="buys nothing"):
        budget.parse("0kWh")


@pytest.mark.parametrize(
    ("text", "share"), [("2Wh", 0.5), ("2min", 0.25), ("1gCO2e", None), ("1J", 3600.0)]
)
def test_its_share_is_of_what_it_counts(text, share):
    assert budget.parse(text).share(Spent(energy_j=3600.0, busy_s=30.0)) == share


@pytest.mark.parametrize(
    ("spent", "text", "said"),
    [
        (Spent(2952.0, relative_u=0.05), "1Wh", "82.0 % ±4.1 (measured)"),
        (Spent(2952.0, relative_u=0.5, measured_share=0.0), "1Wh", "≈ 82 % ±41 (estimated)"),
        (Spent(2952.0, 30.0, 82.0, 0.1, 0.9), "100gCO2e", "82.0 % ±8.2 (90% measured)"),
        (Spent(2952.0, 30.0, relative_u=0.5), "1min", "50 %"),
        (Spent(3.0, relative_u=0.5, measured_share=0.0), "0.5kWh", "under 0.1%"),
        (Spent(), "0.5kWh", "under 0.1%"),
        (Spent(2952.0), "100gCO2e", "an unknown part"),
    ],
    ids=["measured", "estimated", "CO2e", "time", "next to nothing", "nothing", "no country"],
)
def test_what_is_used_of_a_budget_is_said_as_well_as_it_is_known(spent, text, said):
    assert budget.parse(text).said(spent) == f"{said} of the budget of {text}"


def test_grams_grow_as_the_joules_do():
    spent = Spent(100.0, 10.0, carbon_g=4.0)

    assert spent.plus(50.0, 1.0).carbon_g == pytest.approx(6.0)


@pytest.mark.parametrize(
    ("text", "says"),
    [("3Wh", "It should do."), ("2Wh", "It may not do"), ("1Wh", "It will not do")],
)
def test_a_budget_is_held_against_the_band(text, says):
    outlook = Outlook(Band(7200.0, 6800.0, 7600.0), Band(600.0, 560.0, 640.0))

    line = against_budget(outlook, Spent(1800.0, 60.0), budget.parse(text))

    assert says in line
    assert f"of the budget of {text}" in line


def test_the_benchmark_counts_bands_that_miss(monkeypatch):
    monkeypatch.setattr(bench, "DRIFTS", 1.0)

    assert bench.coverage(50, 100, np.random.default_rng(1)) < 0.9

"""Figures against their targets, and the one benchmark there is, carried out for real."""

import json

import pytest

from bot.bench import resume
from bot.bench.figures import BenchReport, Figure


@pytest.mark.parametrize(
    ("value", "target", "holds"),
    [
        (1.5, "<= 1.5", True),
        (1.51, "<= 1.5", False),
        (0.9, ">= 0.8", True),
        (0.7, ">= 0.8", False),
        (None, "<= 1", None),
    ],
)
def test_a_figure_knows_whether_it_holds(value, target, holds):
    assert Figure("x", value, "s", target).holds is holds


def test_a_report_has_the_keys_scripts_read():
    report = BenchReport({"model": "m"}, (Figure("x", None, "s", "<= 1"),))

    assert json.loads(json.dumps(report.as_json())) == {
        "setting": {"model": "m"},
        "figures": [{"name": "x", "value": None, "unit": "s", "target": "<= 1", "holds": None}],
    }


async def test_the_price_of_a_pause_is_measured_on_real_children(tiny_spec):
    seen = []

    report = await resume.run(
        tiny_spec(), quick=True, progress=lambda done, total: seen.append((done, total))
    )

    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert all(figure.value > 0 for figure in report.figures)
    assert {figure.target for figure in report.figures[:2]} == {"<= 1.5"}


async def test_a_benchmark_that_cannot_run_says_why(tiny_spec):
    spec = tiny_spec(model="./no-such-model")

    with pytest.raises(resume.BenchError, match="cannot load the model"):
        await resume.run(spec, quick=True, progress=lambda *_: None)

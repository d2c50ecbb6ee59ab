"""Metrics as people are told them: the same stored numbers, in two kinds of words."""

import pytest

from bot import metrics
from tests.bot.cards import PAIRS, PROMPTS, TEXTS


@pytest.mark.parametrize("kind", [TEXTS, PAIRS])
def test_an_accuracy_is_told_in_percent_and_points(kind):
    assert metrics.said(0.631, kind) == "63.1 %"
    assert metrics.gain(0.70, 0.65, kind) == pytest.approx(5.0)
    assert metrics.gain_said(-1.2, kind) == "-1.2 points"
    assert metrics.axis(kind) == "accuracy, %"


def test_a_perplexity_is_one_over_what_is_stored_and_lower_is_better():
    """29.2 against 30.4: 4 % less."""
    ours, theirs = 1 / 29.2, 1 / 30.4

    assert metrics.said(ours, PROMPTS) == "29.2"
    assert metrics.on_axis(ours, PROMPTS) == pytest.approx(29.2)
    saved = metrics.gain(ours, theirs, PROMPTS)
    assert saved == pytest.approx(100 * (1 - 29.2 / 30.4))
    assert metrics.gain_said(saved, PROMPTS) == "-3.9 % perplexity"
    assert metrics.gain_said(metrics.gain(theirs, ours, PROMPTS), PROMPTS) == "+4.1 % perplexity"
    assert metrics.axis(PROMPTS) == "perplexity"


def test_no_gain_has_no_minus_and_no_metric_no_number():
    assert metrics.gain_said(0.0, PROMPTS) == "+0.0 % perplexity"
    assert metrics.said(None, PROMPTS) == "-"

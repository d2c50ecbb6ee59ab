"""A metric as people are told it: accuracies in percent, perplexities as such. Pure.

What is stored is in [0, 1] and higher is better; a perplexity is one over it (`trainer.kinds`).
"""

from __future__ import annotations

from trainer.kinds import Kind


def said(metric: float | None, kind: Kind) -> str:
    """A metric with its unit: `63.1 %`, or a perplexity: `29.2`."""
    if metric is None:
        return "-"
    value = on_axis(metric, kind)
    return f"{value:.1f}" if kind.metric == "perplexity" else f"{value:.1f} %"


def on_axis(metric: float, kind: Kind) -> float:
    """A metric as it is drawn: percent, or the perplexity."""
    if kind.metric == "perplexity":
        return 1 / metric if metric > 0 else float("inf")
    return 100 * metric


def axis(kind: Kind) -> str:
    """What stands beside the axis."""
    return "perplexity" if kind.metric == "perplexity" else "accuracy, %"


def gain(metric: float, other: float, kind: Kind) -> float:
    """How much better a metric is than another: in points, or percent of perplexity saved."""
    if kind.metric == "perplexity":
        return 100 * (1 - other / metric) if metric > 0 else float("-inf")
    return 100 * (metric - other)


def gain_said(amount: float, kind: Kind) -> str:
    """A gain with its sign: `+3.9 points`, or what became of the perplexity: `-4.1 % perplexity`."""
    if kind.metric == "perplexity":
        return f"{0.0 - amount:+.1f} % perplexity"
    return f"{amount:+.1f} points"


def promised(amount: float, kind: Kind) -> str:
    """A gain that is hoped for: `+3.9 points of accuracy`, or `4.1 % less perplexity`."""
    if kind.metric == "perplexity":
        return f"{amount:.1f} % less perplexity"
    return f"{amount:+.1f} points of accuracy"


def unit(kind: Kind) -> str:
    """The unit of `gain`."""
    return "% of perplexity" if kind.metric == "perplexity" else "points"

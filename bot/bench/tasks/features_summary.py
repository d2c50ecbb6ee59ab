"""What rows about features come to: figures, gates, a table with every seed. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np

from bot.bench.figures import Figure
from bot.bench.learning.summary import GATE_POINTS, interval
from bot.bench.tasks.groups import Row, Section, Table
from bot.leaning import shifts, shifts_table
from trainer.segment import FeatureOpinion

PLANTED, PRAISED, MARKED = ("word", "patch"), ("middle",), ("tweets", "cos_e")
PEOPLE = 5
"""One vote each against a planted feature, or for what matters."""
PRAISE = 0.7
"""Importance above which a feature was praised."""
CHANCE = 50.0  # % right by chance where people marked words: two classes, of one size


def section(rows: Sequence[Row]) -> Section:
    """Figures, and a table with every seed. Pure."""
    figures: list[Figure] = []
    tables: list[Table] = []
    notes: list[str] = []
    for kind in PLANTED:
        mine = [row for row in rows if row["kind"] == kind]
        if mine:
            figures += _planted_figures(kind, mine)
            tables.append(_planted_table(kind, mine))
            unseen = sum(row["rank"] is None for row in mine)
            if unseen:
                notes.append(
                    f"{kind}: on no card in {unseen} of {len(mine)} seeds, so not voted on."
                )
    for kind in PRAISED:
        mine = [row for row in rows if row["kind"] == kind]
        if mine:
            figures += _praised_figures(kind, mine)
            tables.append(_praised_table(kind, mine))
    for kind in MARKED:
        mine = [row for row in rows if row["kind"] == kind]
        if mine:
            figures += _marked_figures(kind, mine)
            tables.append(_marked_table(kind, mine))
    tables += [shifts_table(shifts_of(row)[:6]) for row in rows[: len(PLANTED + PRAISED + MARKED)]]
    return Section(tuple(gates(rows)), tuple(figures), tuple(tables), tuple(notes))


def gates(rows: Sequence[Row]) -> list[str]:
    """What makes rows by recorded reasons prove nothing, in sentences. Pure."""
    failed = []
    for kind in MARKED:
        known = [100 * r["looked"]["plain"]["accuracy"]["plain"] for r in rows if r["kind"] == kind]
        if known and _mean(known) < CHANCE + GATE_POINTS:
            failed.append(
                f"{kind}: {_mean(known):.1f} % right is hardly better than chance, so what the model "
                "leans on means nothing"
            )
    return failed


def shifts_of(row: Row) -> tuple[Any, ...]:
    """What a cell's model leans on before and after the votes. Pure."""
    opinions = [FeatureOpinion(**o) for o in row["opinions"]]
    return shifts(opinions, row["looked"]["before"]["shares"], row["looked"]["voted"]["shares"])


def _points(rows: Sequence[Row], test: str) -> list[float]:
    """Accuracy with votes over accuracy without, in points, by seed."""
    return [
        100 * (row["looked"]["voted"]["accuracy"][test] - row["looked"]["plain"]["accuracy"][test])
        for row in rows
    ]


def step_ratio(row: Row) -> float:
    """CPU time of a training step with votes over one without. Pure."""
    step = row["step"]
    return float(
        (step["voted"]["train_s"] / step["voted"]["samples"])
        / (step["plain"]["train_s"] / step["plain"]["samples"])
    )


def _planted_figures(kind: str, rows: Sequence[Row]) -> list[Figure]:
    swapped, plain = _points(rows, "swapped"), _points(rows, "plain")
    ratios = [step_ratio(row) for row in rows]
    first = sum(row["rank"] == 1 for row in rows)
    return [
        Figure(f"{kind}: planted feature first on its card", float(first), f"of {len(rows)}",
               f">= {len(rows)}"),
        Figure(f"{kind}: {PEOPLE} votes, shortcut on all other classes, {interval(swapped)}",
               _mean(swapped), "points", ">= 8"),
        Figure(f"{kind}: the same without the shortcut, {interval(plain)}", _mean(plain),
               "points", ">= -1"),
        Figure(f"{kind}: a training step with votes, CPU time", _mean(ratios), "of one without",
               "<= 1.05"),
    ]  # fmt: skip


def _accuracies(row: Row) -> list[str]:
    """Of the swapped test, then of the plain one: without votes, and with."""
    return [
        f"{100 * row['looked'][name]['accuracy'][test]:.1f}"
        for test in ("swapped", "plain") for name in ("plain", "voted")
    ]  # fmt: skip


def _planted_table(kind: str, rows: Sequence[Row]) -> Table:
    table: Table = [(
        kind, "seed", "rank", "swapped: without votes", "with", "plain: without votes", "with",
        "share on it: before", "without votes", "with", "per step", "all in, CPU-s",
    )]  # fmt: skip
    for row in rows:
        looked, opinion = row["looked"], row["opinions"][0]
        share = [
            100 * looked[name]["shares"].get(opinion["label"], {}).get(opinion["feature"], 0.0)
            for name in ("before", "plain", "voted")
        ]
        table.append((
            f"{opinion['label']}: {opinion['feature']}", str(row["seed"]), str(row["rank"] or "-"),
            *_accuracies(row), *(f"{x:.1f} %" for x in share),
            f"{step_ratio(row):.2f}",
            f"{row['cpu_s']['voted']:.1f} / {row['cpu_s']['plain']:.1f}",
        ))  # fmt: skip
    return table


def _praised_figures(kind: str, rows: Sequence[Row]) -> list[Figure]:
    swapped, plain = _points(rows, "swapped"), _points(rows, "plain")
    share = [100 * (_praised_share(row, "voted") - _praised_share(row, "plain")) for row in rows]
    return [
        Figure(f"{kind}: attribution on praised cells, with votes over without, {interval(share)}",
               _mean(share), "points", ">= 0"),
        Figure(f"{kind}: {PEOPLE} people's praise, shortcut on all other classes, "
               f"{interval(swapped)}", _mean(swapped), "points", ">= 0"),
        Figure(f"{kind}: the same without the shortcut, {interval(plain)}", _mean(plain),
               "points", ">= -1"),
        Figure(f"{kind}: a training step with votes, CPU time",
               _mean([step_ratio(row) for row in rows]), "of one without", "<= 1.05"),
    ]  # fmt: skip


def _praised_table(kind: str, rows: Sequence[Row]) -> Table:
    table: Table = [(
        kind, "seed", "swapped: without votes", "with", "plain: without votes", "with",
        "share on praised cells: before", "without votes", "with", "per step",
    )]  # fmt: skip
    for row in rows:
        share = [100 * _praised_share(row, name) for name in ("before", "plain", "voted")]
        table.append((
            kind, str(row["seed"]), *_accuracies(row),
            *(f"{x:.1f} %" for x in share), f"{step_ratio(row):.2f}",
        ))  # fmt: skip
    return table


def _praised_share(row: Row, name: str) -> float:
    """Of a label's attribution, what lies on what was praised for it; mean over labels."""
    shares = row["looked"][name]["shares"]
    of_label: dict[str, float] = defaultdict(float)
    for o in row["opinions"]:
        if o["value"] > PRAISE:
            of_label[o["label"]] += shares[o["label"]][o["feature"]]
    return _mean(list(of_label.values())) if of_label else 0.0


def _marked_figures(kind: str, rows: Sequence[Row]) -> list[Figure]:
    gain = [100 * (r["looked"]["voted"]["marked"] - r["looked"]["plain"]["marked"]) for r in rows]
    accuracy = _points(rows, "plain")
    return [
        Figure(f"{kind}: attribution on marked words, with votes over without, {interval(gain)}",
               _mean(gain), "points", ">= 0"),
        Figure(f"{kind}: accuracy with votes over without, {interval(accuracy)}", _mean(accuracy),
               "points", ">= 0"),
    ]  # fmt: skip


def _marked_table(kind: str, rows: Sequence[Row]) -> Table:
    table: Table = [(
        kind, "seed", "votes", "on marked words: before", "without votes", "with",
        "accuracy: without votes", "with", "said to mislead",
    )]  # fmt: skip
    for row in rows:
        looked = row["looked"]
        low = [o["feature"] for o in row["opinions"] if o["value"] < 0]
        table.append((
            kind, str(row["seed"]), str(row["votes"]),
            *(f"{100 * looked[name]['marked']:.1f} %" for name in ("before", "plain", "voted")),
            *(f"{100 * looked[name]['accuracy']['plain']:.1f}" for name in ("plain", "voted")),
            ", ".join(low[:6]) or "-",
        ))  # fmt: skip
    return table


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))

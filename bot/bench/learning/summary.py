"""From the cells of a benchmark to its figures, its table and its verdict. Pure."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, stdev
from typing import Any

from bot.bench.figures import Figure

Row = Mapping[str, Any]

GATE_POINTS = 3.0
NO_VOTES = ("no_votes", "control", "cleanlab", "random", "infobatch")
"""Arms of ours that ask nobody; `rho` does not vote, but people label for it."""
HUMAN = "human:good:100"
BAD_TEAMS = ("weak", "lazy", "adverse", "mixed")


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over seeds with its 95 % interval (Student's t); no interval from one seed."""

    mean: float
    low: float | None
    high: float | None
    seeds: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.mean:+.1f} (1 seed)"
        return f"{self.mean:+.1f} [{self.low:+.1f}, {self.high:+.1f}]"


def interval(values: Sequence[float]) -> Interval | None:
    """The mean of one value per seed, with its interval; None without any."""
    if not values:
        return None
    n, centre = len(values), mean(values)
    if n == 1:
        return Interval(centre, None, None, 1)
    from scipy.stats import t as student  # heavy, and nothing the bot itself needs

    half = float(student.ppf(0.975, n - 1)) * stdev(values) / math.sqrt(n)
    return Interval(centre, centre - half, centre + half, n)


def arm_of(row: Row) -> str:
    """The arm of a cell by its full name, e.g. `human:good:100+words`."""
    if row["arm"] != "human":
        return str(row["arm"])
    return f"human:{row['team']}:{row['votes']}{'+words' if row['words'] else ''}"


def final(row: Row) -> float:
    """Accuracy of what the arm leaves: where its dev metric was best, else at its end."""
    curve = row["curve"]
    if any(point.get("dev") is None for point in curve):
        return float(curve[-1]["metric"])
    return float(max(curve, key=lambda point: point["dev"])["metric"])


def cost_to(row: Row, target: float, unit: str) -> float | None:
    """What it cost to reach `target` first, in `forwards` or `cpu_s`; None = never.

    Between two evaluations the accuracy is taken to run straight.
    """
    before: Row | None = None
    for point in row["curve"]:
        if point["metric"] >= target:
            if before is None or point["metric"] == before["metric"]:
                return float(point[unit])
            share = (target - before["metric"]) / (point["metric"] - before["metric"])
            return float(before[unit] + share * (point[unit] - before[unit]))
        before = point
    return None


class Results:
    """All cells, by recipe, arm and seed."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._rows: dict[tuple[str, str, float], dict[int, Row]] = defaultdict(dict)
        for row in rows:
            self._rows[row["recipe"], arm_of(row), row["epochs"]][row["seed"]] = row

    @property
    def recipes(self) -> list[str]:
        """In order of appearance."""
        return list(dict.fromkeys(recipe for recipe, _, _ in self._rows))

    def arms(self, recipe: str) -> list[str]:
        """The arms of a recipe with three epochs, in order of appearance."""
        return [arm for r, arm, epochs in self._rows if r == recipe and epochs == 3.0]

    def of(self, recipe: str, arm: str, epochs: float = 3.0) -> Mapping[int, Row]:
        """Seed -> cell."""
        return self._rows.get((recipe, arm, epochs), {})

    def gains(
        self, recipe: str, arm: str, rivals: Sequence[str], epochs: float = 3.0
    ) -> list[float]:
        """Points of an arm over the best of its rivals, seed by seed, where all were trained."""
        found = []
        for seed, row in self.of(recipe, arm, epochs).items():
            others = [
                final(cells[seed])
                for rival in rivals
                if seed in (cells := self.of(recipe, rival, epochs))
            ]
            if others:
                found.append(100 * (final(row) - max(others)))
        return found

    def ratios(
        self, recipe: str, arm: str, unit: str, *, target_of: str, cost_of: str, plus: float = 0.0
    ) -> list[float | None]:
        """Seed by seed: cost to another arm's final accuracy (+ `plus`) over all that one's cost."""
        found: list[float | None] = []
        for seed, row in self.of(recipe, arm).items():
            aim, paid = self.of(recipe, target_of).get(seed), self.of(recipe, cost_of).get(seed)
            if aim is None or paid is None:
                continue
            spent = cost_to(row, final(aim) + plus, unit)
            whole = paid["curve"][-1][unit]
            found.append(None if spent is None else spent / whole)
        return found


def figures(results: Results) -> tuple[Figure, ...]:
    """The rows of the benchmark's table of wants; a value is None where nothing was measured."""

    def worst(values: Sequence[float | None]) -> float | None:
        return max(values) if values and None not in values else None  # type: ignore[type-var]

    def middle(values: Sequence[float]) -> float | None:
        return mean(values) if values else None

    def reached(values: Sequence[float | None]) -> str:
        return f"{sum(v is not None for v in values)} of {len(values)} seeds"

    human, words = HUMAN, f"{HUMAN}+words"
    one = results.ratios("mix", human, "forwards", target_of="stock", cost_of="stock")
    two = results.ratios("mix", human, "forwards", target_of="control", cost_of="stock", plus=0.10)
    five = results.ratios("mix", human, "cpu_s", target_of="stock", cost_of="stock")
    six = results.ratios("mix", human, "cpu_s", target_of="stock", cost_of="control")
    found = [
        Figure(
            f"1 mix: to stock's accuracy, forwards, worst seed ({reached(one)})",
            worst(one),
            "of stock's",
            "<= 0.08",
        ),
        Figure(
            f"2 mix: to control + 10 points, forwards, worst seed ({reached(two)})",
            worst(two),
            "of stock's",
            "<= 0.28",
        ),
    ]
    for recipe in ("mix", "sys"):
        gain = results.gains(recipe, human, NO_VOTES)
        found.append(
            Figure(
                f"3 {recipe}: 100 votes over the best arm without, {interval(gain)}",
                middle(gain),
                "points",
                ">= 6",
            )
        )
    for recipe in ("mix", "sys"):
        gain = results.gains(recipe, words, [human])
        found.append(
            Figure(
                f"4 {recipe}: ten minutes of words over row 3, {interval(gain)}",
                middle(gain),
                "points",
                ">= 3",
            )
        )
    found += [
        Figure(
            f"5 mix: CPU-s to stock's accuracy, mean ({reached(five)})",
            _mean_all(five),
            "of stock's",
            "<= 0.04",
        ),
        Figure(
            f"6 mix: CPU-s to it, mean ({reached(six)})",
            _mean_all(six),
            "of our control's",
            "<= 0.30",
        ),
    ]
    for recipe in ("mix", "sys"):
        gain = results.gains(recipe, "human:weak:100", NO_VOTES)
        found.append(
            Figure(f"7 {recipe}: raters of .7, {interval(gain)}", middle(gain), "points", ">= 3")
        )
    for recipe in ("mix", "sys"):
        gain = results.gains(recipe, "human:mixed:100", [human])
        found.append(
            Figure(
                f"8 {recipe}: a lazy and an adverse rater of five against the good team, {interval(gain)}",
                middle(gain),
                "points",
                ">= -2",
            )
        )
    harm = [
        gain
        for recipe in results.recipes
        for arm in results.arms(recipe)
        if arm.split(":")[1:2] and arm.split(":")[1] in BAD_TEAMS
        for gain in results.gains(recipe, arm, ["control"])
    ]
    found.append(
        Figure(
            f"careless and adverse teams against control, the worst of {len(harm)} runs",
            min(harm, default=None),
            "points",
            ">= -2",  # twice the standard error of what a thousand test samples tell
        )
    )
    for recipe, epochs in (
        ("clean", 3.0),
        ("mild", 3.0),
        ("rand", 3.0),
        ("clean", 1.0),
        ("mix", 1.0),
    ):
        gain = results.gains(recipe, human, ["control"], epochs)
        cost = [
            row["curve"][-1]["forwards"]
            / results.of(recipe, "control", epochs)[seed]["curve"][-1]["forwards"]
            for seed, row in results.of(recipe, human, epochs).items()
            if seed in results.of(recipe, "control", epochs)
        ]
        name = f"9 {recipe}, {epochs:g} epochs"
        found.append(
            Figure(
                f"{name}: accuracy against control, {interval(gain)}",
                middle(gain),
                "points",
                ">= -0.5",
            )
        )
        found.append(
            Figure(
                f"{name}: forwards against control",
                max(cost, default=None),
                "of control's",
                "<= 1.02",
            )
        )
    for recipe, arm, wanted in (("mix", human, 0.96), ("sys", "human:good:200", 0.95)):
        areas = [row["auc"] for row in results.of(recipe, arm).values() if row.get("auc")]
        found.append(
            Figure(
                f"10 {recipe}: AUC of the votes' model, {arm.split(':')[-1]} votes",
                middle(areas),
                "",
                f">= {wanted}",
            )
        )
    speed, apart = _speed(results, "clean")
    found.append(
        Figure(
            f"11 clean: samples per CPU-s against stock ({_apart(apart)})", speed, "times", ">= 10"
        )
    )
    return tuple(found)


def _mean_all(values: Sequence[float | None]) -> float | None:
    """The mean over all seeds; None where one never got there: a mean over the rest is none."""
    known = [v for v in values if v is not None]
    return mean(known) if known and len(known) == len(values) else None


def _apart(points: float | None) -> str:
    return "not measured" if points is None else f"{points:+.1f} points apart"


def _speed(results: Results, recipe: str) -> tuple[float | None, float | None]:
    """(samples per CPU second of our control over stock's, points of accuracy between them)."""
    ours, stock = results.of(recipe, "control"), results.of(recipe, "stock")
    both = sorted(set(ours) & set(stock))
    if not both:
        return None, None

    def rate(row: Row) -> float:
        return float(row["samples"] / row["cpu_s"])

    times = mean(rate(ours[s]) / rate(stock[s]) for s in both)
    return times, mean(100 * (final(ours[s]) - final(stock[s])) for s in both)


def gates(results: Results) -> list[str]:
    """What makes the benchmark void, in sentences; none where it is valid or cannot be told."""
    failed = []
    for recipe in results.recipes:
        oracle, frozen = results.of(recipe, "oracle"), results.of(recipe, "frozen-lr")
        gain = [
            100 * (final(oracle[s]) - frozen[s]["on_right_rows"])
            for s in oracle
            if s in frozen and "on_right_rows" in frozen[s]
        ]
        if gain and mean(gain) < GATE_POINTS:
            failed.append(
                f"{recipe}: fine-tuning what is right beats logistic regression on it by only "
                f"{mean(gain):+.1f} points (wanted {GATE_POINTS:g}): this measures cleaning"
            )
        human = results.of(recipe, HUMAN).values()
        alone = [100 * (final(row) - row["answers_only"]) for row in human if "answers_only" in row]
        if alone and mean(alone) < GATE_POINTS:
            failed.append(
                f"{recipe}: the pool adds only {mean(alone):+.1f} points to the answers alone"
            )
    return failed


def table(results: Results) -> list[tuple[str, ...]]:
    """Rows of words: a heading, then a row per recipe and arm."""
    rows: list[tuple[str, ...]] = [(
        "recipe", "arm", "seeds", "people s", "trained", "forwards", "CPU-s", "accuracy",
        "against control", "to stock's accuracy: forwards", "CPU-s", "verdict",
    )]  # fmt: skip
    for recipe in results.recipes:
        for arm in results.arms(recipe):
            cells = list(results.of(recipe, arm).values())
            gain = interval(results.gains(recipe, arm, ["control"]))
            rows.append((
                recipe, arm, str(len(cells)), f"{mean(c['people_s'] for c in cells):.0f}",
                f"{mean(c['samples'] for c in cells):.0f}",
                f"{mean(c['curve'][-1]['forwards'] for c in cells):.0f}",
                f"{mean(c['cpu_s'] for c in cells):.0f}",
                f"{100 * mean(final(c) for c in cells):.1f}", str(gain or "-"),
                _ratio_said(results.ratios(recipe, arm, "forwards", target_of="stock", cost_of="stock")),
                _ratio_said(results.ratios(recipe, arm, "cpu_s", target_of="stock", cost_of="stock")),
                _verdict(arm, interval(results.gains(recipe, arm, NO_VOTES))),
            ))  # fmt: skip
    return rows


def _ratio_said(values: Sequence[float | None]) -> str:
    known = [v for v in values if v is not None]
    if not values:
        return "-"
    if not known:
        return "never"
    share = "" if len(known) == len(values) else f" ({len(known)}/{len(values)})"
    return f"{mean(known):.3f}{share}"


def _verdict(arm: str, gain: Interval | None) -> str:
    if not arm.startswith("human") or gain is None:
        return ""
    if gain.low is not None and gain.low > 0:
        return f"votes add {gain}"
    if gain.high is not None and gain.high < 0:
        return f"votes cost {gain}"
    return f"not told apart {gain}"


def markdown(results: Results, found: Sequence[Figure]) -> str:
    """The whole report as Markdown; what makes it void comes first."""
    void = gates(results)
    lines = [f"**Not valid as it stands: {'; '.join(void)}.**\n"] if void else []
    heading, *body = table(results)
    lines += ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    lines += ["", "| figure | value | wanted | holds |", "|---|---|---|---|"]
    for figure in found:
        value = "-" if figure.value is None else f"{figure.value:.3f} {figure.unit}"
        holds = {True: "yes", False: "**no**", None: ""}[figure.holds]
        lines.append(f"| {figure.name} | {value} | {figure.target} | {holds} |")
    return "\n".join(lines) + "\n"

"""What rows about prompts with answers come to: gate, figures, verdicts, tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean

from bot.bench.figures import Figure
from bot.bench.learning.summary import interval
from bot.bench.tasks.crossings import (
    Cells,
    cost_to,
    final_nats,
    mean_of_all,
    nats,
    nats_at,
    reached,
    span,
    with_scoring,
)
from bot.bench.tasks.groups import Row, Section, Table

STOCK = "stock"
NO_VOTES = ("no_votes", "control", "random")
"""Arms of ours that ask nobody."""
FLAGGED = ("correct", "judged")
"""Recipes with recorded judgements, which nothing a vote model sees tells."""
NEAR = 0.4
"""Share of the control's tokens at which losses are compared: about what the oracle needs to get as
far as the stock arm."""
NO_ROOM = 0.05
"""Nats that the control must gain, or there is nothing to be saved."""


def section(rows: Sequence[Row]) -> Section:
    """Gate, figures and tables with every seed."""
    cells = Cells(rows)
    return Section(
        void=tuple(gates(cells)),
        figures=tuple(figures(cells)),
        tables=tuple(table(cells, recipe) for recipe in ("mix", *FLAGGED, "topics")
                     if cells.arms(recipe)),
        notes=tuple(_notes(cells)),
    )  # fmt: skip


def gates(cells: Cells) -> list[str]:
    """What makes the rows prove nothing."""
    ahead = [
        nats_at(control["curve"], spent, "tokens") - nats_at(oracle["curve"], spent, "tokens")
        for seed, oracle in cells.of("mix", "oracle").items()
        if (control := cells.of("mix", "control").get(seed)) is not None
        for spent in [NEAR * control["tokens"]]
    ]
    if not ahead or mean(ahead) > 0:
        return []
    return [
        f"mix: at {NEAR:g} of the control's tokens the oracle is {mean(ahead):+.3f} nats ahead: "
        "there is nothing to be won by choosing"
    ]


def ratios(
    cells: Cells, recipe: str, arm: str, unit: str, *, target_of: str, cost_of: str
) -> dict[int, float | None]:
    """Seed -> cost to one arm's final loss over all that another one costs; None = never.

    Args:
        cells: all results.
        recipe: of the pool.
        arm: which.
        unit: `tokens` trained on, `all_tokens` with every other forward, `cpu_s`, or `train_s` as
            that without what it took to look at the pool and to choose from it.
        target_of: whose loss is to be reached.
        cost_of: whose cost is 1.
    """
    found: dict[int, float | None] = {}
    for seed, row in cells.of(recipe, arm).items():
        aim, paid = cells.of(recipe, target_of).get(seed), cells.of(recipe, cost_of).get(seed)
        if aim is None or paid is None:
            continue
        per_sample = paid["tokens"] / paid["samples"]
        spent = cost_to(_charged(row, per_sample), final_nats(aim), unit)
        whole = _charged(paid, per_sample)[-1][unit]
        found[seed] = None if spent is None else spent / whole
    return found


def _charged(row: Row, tokens_per_sample: float) -> list[dict[str, float]]:
    """The curve with all units; what was looked at was looked at before the first step."""
    curve = with_scoring(row["curve"], tokens_per_sample)
    return [{**p, "train_s": max(0.0, p["cpu_s"] - row["score_s"])} for p in curve]


def saved(cells: Cells, arm: str) -> dict[int, float | None]:
    """Seed -> share of the stock arm's tokens that an arm saves over the best that asks nobody.

    Who never gets as far as the stock arm counts as who needs all of it; None where nobody does.
    """
    mine = ratios(cells, "mix", arm, "tokens", target_of=STOCK, cost_of=STOCK)
    others = [ratios(cells, "mix", o, "tokens", target_of=STOCK, cost_of=STOCK) for o in NO_VOTES]
    found: dict[int, float | None] = {}
    for seed, ratio in mine.items():
        best = [other[seed] for other in others if seed in other]
        if best:
            is_told = any(one is not None for one in (ratio, *best))
            found[seed] = min(map(_or_all, best)) - _or_all(ratio) if is_told else None
    return found


def _or_all(ratio: float | None) -> float:
    return 1.0 if ratio is None else min(ratio, 1.0)


def ahead(cells: Cells, arm: str) -> list[float]:
    """Nats by which an arm is below the best that asks nobody, seed by seed.

    Once as many tokens were trained on as the control trains on in all.
    """
    found = []
    for seed, row in cells.of("mix", arm).items():
        control = cells.of("mix", "control").get(seed)
        if control is not None:
            others = [
                nats_at(cells.of("mix", other)[seed]["curve"], control["tokens"], "tokens")
                for other in NO_VOTES
                if seed in cells.of("mix", other)
            ]
            found.append(min(others) - nats_at(row["curve"], control["tokens"], "tokens"))
    return found


def beside_control(cells: Cells, arm: str) -> list[float | None]:
    """Tokens to our control's final loss over those that it needs itself to get there."""
    mine = ratios(cells, "mix", arm, "tokens", target_of="control", cost_of="control")
    control = ratios(cells, "mix", "control", "tokens", target_of="control", cost_of="control")
    return [None if a is None else a / b for s, a in mine.items() if (b := control[s]) is not None]


def figures(cells: Cells) -> list[Figure]:
    """The rows of the table of wants."""
    found = []
    for votes in (50, 100):
        arm = f"human:{votes}"
        if not cells.of("mix", arm):
            continue
        for unit, what, wanted in (
            ("tokens", "tokens trained on (dream .43)", "<= 0.50"),
            ("all_tokens", "tokens, all forwards in", "<= 0.52"),
            ("cpu_s", "CPU-s, all in", "<= 0.16"),
            ("train_s", "CPU-s, scoring left out", "<= 0.12"),
        ):
            cost = [*ratios(cells, "mix", arm, unit, target_of=STOCK, cost_of=STOCK).values()]
            found.append(
                Figure(f"mix, {votes} votes: to stock's final loss, {what} ({reached(cost)})",
                       mean_of_all(cost), "of stock's", wanted)
            )  # fmt: skip
        beside, less = beside_control(cells, arm), [*saved(cells, arm).values()]
        lower, told = ahead(cells, arm), [one for one in less if one is not None]
        found += [
            Figure(f"mix, {votes} votes: to our control's final loss, tokens ({reached(beside)})",
                   mean_of_all(beside), "of those it needs", "<= 0.80"),
            Figure(f"mix, {votes} votes: tokens saved over the best arm that asks nobody, "
                   f"{span(told)} ({reached(less)})", mean_of_all(less), "of stock's", ">= 0"),
            Figure(f"mix, {votes} votes: below that arm at equal tokens, {span(lower, 3)}",
                   mean(lower) if lower else None, "nats", ">= 0"),
        ]  # fmt: skip
    for recipe in FLAGGED:
        found += _flagged_figures(cells, recipe)
    return found + _topic_figures(cells)


def _flagged_figures(cells: Cells, recipe: str) -> list[Figure]:
    human, control = cells.of(recipe, "human:100"), cells.of(recipe, "control")
    if not human:
        return []
    known = sum(is_noticed(row) for row in human.values())
    cost = [row["tokens"] / control[s]["tokens"] for s, row in human.items() if s in control]
    return [
        Figure(f"{recipe}: votes that do not generalise are not followed", float(known),
               f"of {len(human)}", f">= {len(human)}"),
        Figure(f"{recipe}: tokens trained on in all, worst seed", max(cost, default=None),
               "of control's", "<= 1.02"),
    ]  # fmt: skip


def is_noticed(row: Row) -> bool:
    """Whether an arm with votes told that they are no good for what nobody voted on."""
    return row.get("decision") == "no-go" or bool(row.get("note"))


def _topic_figures(cells: Cells) -> list[Figure]:
    found = []
    for times in (1, 2, 3):
        arm = f"human:{times}"
        rows = cells.of("topics", arm)
        if rows:
            cost = list(topic_costs(cells, arm).values())
            votes = mean(row["answers"] for row in rows.values())
            found.append(
                Figure(f"topics, {votes:.0f} votes: to the control's final loss, tokens (dream .25; "
                       f"{reached(cost)})", mean_of_all(cost), "of control's", "<= 0.50")
            )  # fmt: skip
    return found


def topic_costs(cells: Cells, arm: str) -> dict[int, float | None]:
    """Tokens to the control's final loss over all of its own, where it gained anything."""
    cost = ratios(cells, "topics", arm, "tokens", target_of="control", cost_of="control")
    return {s: c for s, c in cost.items() if has_room(cells.of("topics", "control")[s])}


def has_room(control: Row) -> bool:
    """Whether training on everything helps enough for any of it to be saved."""
    return nats(control["curve"][0]["metric"]) - final_nats(control) >= NO_ROOM


def _notes(cells: Cells) -> list[str]:
    found = []
    base = {seed: nats(row["curve"][0]["metric"]) for seed, row in cells.of("mix", STOCK).items()}
    if base:
        found.append(f"mix: before any training the held-out answers cost {span([*base.values()])} "
                     "nats per token.")  # fmt: skip
    oracle = topic_costs(cells, "oracle")
    if oracle:
        found.append(
            f"topics: the wanted topic alone costs "
            f"{span([c for c in oracle.values() if c is not None])} of the control's tokens "
            f"({reached([*oracle.values()])})."
        )
    for arm in ("human:50", "human:100"):
        lower = ahead(cells, arm)
        if lower:
            found.append(f"mix, {arm.partition(':')[2]} votes: {verdict(lower)}, in nats.")
    for recipe in FLAGGED:
        areas = [r["auc"] for r in cells.of(recipe, "human:100").values() if r["auc"] is not None]
        if areas:
            found.append(
                f"{recipe}: AUC of the votes' model on what nobody voted on {span(areas)}."
            )
    if cells.arms("mix"):
        found.append(
            "Forwards count by the weights they go through: the encoder that compares prompts with "
            "answers is several times larger than this small model, and what it costs would be a few "
            "percent beside one of 100 M weights."
        )
    return found


def verdict(gains: Sequence[float], digits: int = 3) -> str:
    """What an interval over seeds allows to be said of votes."""
    found, said = interval(gains), span(gains, digits)
    if found is None or found.low is None or found.high is None:
        return f"one seed cannot tell whether votes add anything: {said}"
    if found.low > 0:
        return f"votes add {said} over the best arm that asks nobody"
    if found.high < 0:
        return f"votes cost {said} beside the best arm that asks nobody"
    return f"no gain of votes over the best arm that asks nobody can be told from chance: {said}"


def table(cells: Cells, recipe: str) -> Table:
    """A row per arm and seed."""
    aim = STOCK if cells.of(recipe, STOCK) else "control"
    rows: Table = [(
        recipe, "seed", "people s", "tokens", "CPU-s (of it choosing)", "final nats",
        f"at {NEAR:g} of control's tokens", f"to {aim}'s: tokens", "all forwards in", "CPU-s",
        "AUC, not asked about", "kept", "right", "of what is right", "said",
    )]  # fmt: skip
    for arm in cells.arms(recipe):
        cost = [
            ratios(cells, recipe, arm, unit, target_of=aim, cost_of=aim)
            for unit in ("tokens", "all_tokens", "cpu_s")
        ]
        for seed, row in cells.of(recipe, arm).items():
            control = cells.of(recipe, "control").get(seed)
            near = (
                "-" if control is None
                else f"{nats_at(row['curve'], NEAR * control['tokens'], 'tokens'):.3f}"
            )  # fmt: skip
            rows.append((
                arm, str(seed), f"{row['people_s']:.0f}", str(row["tokens"]),
                f"{row['cpu_s']:.1f} ({row['score_s']:.1f})", f"{final_nats(row):.3f}", near,
                *(_share(by_seed, seed) for by_seed in cost),
                _number(row.get("auc")), str(row.get("kept", "-")), _number(row.get("right")),
                _number(row.get("recall")), _said(row),
            ))  # fmt: skip
    return rows


def _share(by_seed: Mapping[int, float | None], seed: int) -> str:
    if seed not in by_seed:
        return "-"
    value = by_seed[seed]
    return "never" if value is None else f"{value:.3f}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _said(row: Row) -> str:
    if "topics" in row:
        first = sorted(row["topics"], key=lambda one: -(one[2] or 0.0))[:2]
        return "; ".join(f"{name} {value:.2f}" for name, _, value in first if value is not None)
    return row.get("note") or row.get("decision") or "-"

"""What the votes of a run were worth, for better or worse: by every objective, and in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from bot import metrics, pairs, words
from bot.energy.breakeven import BreakEven
from bot.history import ArmHistory, ratio_to_target
from bot.record import RunRecord
from bot.wording import alone_said, arm_said
from bot.worth import Effort, decisions, net, unit_of
from storage import energy
from storage.energy import EnergyTotal
from trainer.kinds import Kind
from trainer.spec import Value

VALUES: tuple[Value, ...] = get_args(Value)
UNPRICED = "no price is set"
"""How the verdict on an objective begins that is left out for want of a price."""
VALUE_WORDS: Mapping[Value, str] = {
    "quality-at-equal-energy": "quality at equal energy",
    "machine-energy": "machine energy",
    "energy-with-devices": "energy with people's devices",
    "money": "money",
}


# --- by objective -------------------------------------------------------------------------------


def verdicts(record: RunRecord) -> dict[str, dict[str, Any]]:
    """Objective -> {pays, gain, unit, why}; `pays` is None where nothing can be said.

    Votes are held against the best that the machine reached without people, not against the
    control alone: what label names do for nothing is no merit of theirs.
    """
    human, control = record.arms.get("human"), record.arms.get("control")
    if human is None or control is None or control.history.final_metric is None:
        return _nothing_to_say(record, "no control was trained")
    if record.votes == 0:
        return _nothing_to_say(record, "nobody voted")
    if record.unlike:
        name = alone_said(record.unlike, record.run.spec)
        why = f"the joules of {name} come from other sources than those with votes, so nothing is claimed"
        return _nothing_to_say(record, why)
    alone = [arm.history for name, arm in record.arms.items() if name != "human"]
    quality, at_equal = _gain_at_equal_energy(record, human.history, alone)
    saved_j, saving = _saved(record, human.history, control.history, alone)
    whys = {"quality-at-equal-energy": at_equal, "machine-energy": saving}
    spent = record.effort
    if saved_j is not None:
        whys["energy-with-devices"] = f"{saving}, for {_devices(spent)}"
        verb = "saved" if saved_j > 0 else "lost"
        gpu = energy.gpu_s_per_j(control.parts)
        prices = record.terms.prices
        worth = prices.machine(saved_j, saved_j * gpu)
        u = prices.machine(control.history.total.u_of(saved_j))
        whys["money"] = f"{prices.said(abs(worth), u)} of machine {verb}, for {_labour(record)}"
    found: dict[str, dict[str, Any]] = {}
    for value in priced(record):
        gain = net(
            value, record.terms, spent, quality=quality, saved_j=saved_j,
            gpu_s_per_j=energy.gpu_s_per_j(control.parts),
        )  # fmt: skip
        pays = gain is not None and gain > 0
        found[value] = _verdict(value, pays, gain, whys.get(value, saving), record)
    return found if "money" in found else {**found, "money": _unpriced(record)}


def priced(record: RunRecord) -> list[Value]:
    """The objectives that can be counted: money only where there are prices."""
    return [v for v in VALUES if v != "money" or not record.terms.prices.missing]


def _unpriced(record: RunRecord) -> dict[str, Any]:
    why = f"{UNPRICED}: {' and '.join(record.terms.prices.missing)}"
    return _verdict("money", None, None, why, record)


def _nothing_to_say(record: RunRecord, why: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {v: _verdict(v, None, None, why, record) for v in VALUES}
    return found if not record.terms.prices.missing else {**found, "money": _unpriced(record)}


def _verdict(
    value: Value, pays: bool | None, gain: float | None, why: str, record: RunRecord
) -> dict[str, Any]:
    return {"pays": pays, "gain": gain, "unit": unit_of(value, record.terms), "why": why}


def _gain_at_equal_energy(
    record: RunRecord, human: ArmHistory, alone: Sequence[ArmHistory]
) -> tuple[float | None, str]:
    """What the metric gained over the best arm without people, at the joules that one took."""
    kind = record.kind
    best = max((arm for arm in alone if arm.points), key=lambda arm: arm.points[-1].metric)
    joules, metric = best.points[-1].energy_j, best.points[-1].metric
    reached = human.metric_at(joules)
    name = alone_said(best.name, record.run.spec)
    if reached is None:
        return None, f"{name} had ended before training with votes began"
    gain = metrics.gain(reached, metric, kind)
    shown = f"{metrics.said(reached, kind)} against {metrics.said(metric, kind)} of {name}"
    return (
        gain,
        f"{metrics.gain_said(gain, kind)} at {words.part_of(best.total, joules)}, {shown}",
    )


def _saved(
    record: RunRecord, human: ArmHistory, control: ArmHistory, alone: Sequence[ArmHistory]
) -> tuple[float | None, str]:
    """Joules to the control's metric, against the cheapest way without people; later runs too."""
    target, terms = control.final_metric, record.terms
    assert target is not None
    needed = human.energy_to(target)
    if needed is None:
        return None, f"the control's {record.kind.metric} was never reached"
    ways = [(joules, arm.name) for arm in alone if (joules := arm.energy_to(target)) is not None]
    least, name = min(ways)  # the control is always among them
    saved_j = (least - needed) * (1 + terms.later_runs)
    verb = "saved" if saved_j > 0 else "lost"
    amount = words.part_of(control.total, abs(saved_j))  # one meter errs in both arms alike
    text = f"{amount} {verb} against {alone_said(name, record.run.spec)}"
    if terms.later_runs:
        text += f", {words.plural(terms.later_runs, 'later run')} that go likewise included"
    return saved_j, text


def _devices(spent: Effort) -> str:
    return f"{words.devices(spent.device_j)} of people's devices"


def _labour(record: RunRecord) -> str:
    money = record.terms.prices.said(record.terms.prices.labour(record.effort.people_s))
    how = "assumed" if record.took.median_s is None else "measured"
    return f"{money} of people's time ({words.duration(record.effort.people_s)}, {how})"


def mean_verdicts(
    seeds: Sequence[Mapping[str, Any]], *, is_estimated: bool
) -> dict[str, dict[str, Any]]:
    """The verdicts over several seeds: mean gains with their intervals.

    From three seeds on a gain whose interval covers zero is not called one: `pays` is then None.
    """
    return {
        value: _mean_verdict([seed[value] for seed in seeds], "≈ " if is_estimated else "")
        for value in VALUES
    }


def _mean_verdict(each: Sequence[Mapping[str, Any]], sign: str) -> dict[str, Any]:
    unit, gains = each[0]["unit"], [v["gain"] for v in each]
    found: dict[str, Any] = {"pays": None, "gain": None, "unit": unit, "interval": None}
    if any(v["pays"] is None for v in each):
        return {**found, "why": next(v["why"] for v in each if v["pays"] is None)}
    paid = sum(bool(v["pays"]) for v in each)
    why = f"paid in {paid} of {words.plural(len(each), 'seed')}"
    if None in gains:
        return {**found, "pays": False, "why": why}
    over = pairs.interval(gains)
    shown = words.unit_for([over.mean]) if unit == "J" else words.Unit(unit, 1.0, 0.0)
    sign = sign if unit == "J" else ""
    why += f", mean gain {sign}{words.number(over.mean / shown.size_j)} {shown.name}"
    pays: bool | None = over.mean > 0
    if over.low is None or over.high is None:
        why += f" ({over.how_many})"
    else:
        low, high = (words.number(bound / shown.size_j) for bound in (over.low, over.high))
        why += f" (95 % CI {low} to {high}, {over.how_many})"
        if over.claim == "nothing":
            pays = None if over.mean > 0 else False
            why += ": the interval covers zero, so no gain is claimed"
    bounds = None if over.low is None else [over.low, over.high]
    return {**found, "pays": pays, "gain": over.mean, "interval": bounds, "why": why}


def by_objective(
    found: Mapping[str, Mapping[str, Any]], stated: Value, later_runs: int
) -> list[str]:
    """A sentence per objective, the stated one first, with the later runs that were counted.

    Nothing is claimed in general from fewer pairs than have an interval.
    """
    said = {True: "the votes pay", False: "the votes do not pay", None: "no verdict"}
    here = {**said, True: "the votes paid here"}
    lines = []
    later = words.plural(later_runs, "later run") if later_runs else "no later run"
    told = [v for v in VALUES if v != "money" or not found[v]["why"].startswith(UNPRICED)]
    for value in sorted(told, key=lambda v: v != stated):
        name = VALUE_WORDS[value]
        if value == stated:
            name += f" (the stated value; {later} counted)"
        one = found[value]
        pays = (said if one.get("interval") else here)[one["pays"]]
        pair = " (one pair, no interval)" if one["pays"] and "interval" not in one else ""
        lines.append(f"By {name}: {pays}{pair}, {one['why']}.")
    return lines


# --- in words -----------------------------------------------------------------------------------


def verdict(record: RunRecord) -> list[str]:
    """What the votes were worth, in plain sentences: the stated objective first."""
    human, control = record.arms.get("human"), record.arms.get("control")
    kind, spec = record.kind, record.run.spec
    own = [arm.history for arm in record.arms.values()]
    unit = words.unit_for(h.total.energy_j for h in own)
    if human is None or control is None:
        spent = "; ".join(
            f"{arm_said(h.name, spec)} {metrics.said(h.final_metric, kind)} "
            f"for {words.energy_total(h.total, unit)}"
            for h in own
        )
        return [
            *_decided(record),
            f"{kind.metric.capitalize()} and machine energy: {spent}.",
            *_net(record, unit),
            "No control was trained, so nothing is claimed about what the votes saved.",
        ]
    terms = record.terms
    lines = [*_decided(record), *by_objective(verdicts(record), terms.value, terms.later_runs)]
    lines += _against_control(record, human.history, control.history, unit)
    no_votes = record.arms.get("no_votes")
    if no_votes is not None:
        gain = _gain(human.history, no_votes.history, kind)
        lines.append(f"Against {arm_said('no_votes', spec)}: {gain}.")
    proof = cost_of_proof(record)
    lines += _net(record, unit)
    lines.append(
        f"Cost of proof (arms trained only to compare): {words.energy_total(proof, unit)}."
    )
    return lines


def _net(record: RunRecord, unit: words.Unit) -> list[str]:
    """What the arms took above idle; nothing where no idle power was measured."""
    found = []
    for name, arm in record.arms.items() if record.baselines else ():
        net = energy.net(arm.parts, record.baselines)
        if net is not None:
            said = words.part_of(arm.history.total, net.energy_j, unit, net.u_j)
            floor = ", some of it below idle and counted as 0" if net.below else ""
            how = words.known(arm.history.total)
            found.append(f"{arm_said(name, record.run.spec)} {said} ({how}{floor})")
    return [f"Net of idle: {'; '.join(found)}."] if found else []


def _decided(record: RunRecord) -> list[str]:
    """That asking was broken off, and why."""
    stops = [d["why"] for d in decisions(record.rounds) if not d["go"]]
    return [f"Asking was broken off: {stops[0]}"] if stops else []


def _against_control(
    record: RunRecord, a: ArmHistory, b: ArmHistory, unit: words.Unit
) -> list[str]:
    kind = record.kind
    reached = (
        f"{kind.metric.capitalize()}: {metrics.said(a.final_metric, kind)} with votes, "
        f"{metrics.said(b.final_metric, kind)} without ({_gain(a, b, kind)})."
    )
    _, ratio = ratio_to_target([a, b])
    if ratio is None:
        return [
            reached,
            f"With votes the control's {kind.metric} was never reached: the votes did not pay.",
        ]
    saved = (1 - ratio) * b.total.energy_j
    energy_line = (
        f"Machine energy to the control's {kind.metric}: {ratio:.0%} of the control's "
        f"({words.part_of(b.total, abs(saved), unit)} {'saved' if saved > 0 else 'lost'}, "
        "one pair, no interval)."
    )
    if record.unlike:
        return [
            reached,
            f"{alone_said(record.unlike, record.run.spec)} was metered by other sources.",
        ]
    return [reached, energy_line, *break_even(record, saved, b).said()]


def break_even(record: RunRecord, saved_j: float, control: ArmHistory) -> BreakEven:
    """What the votes saved beside what they cost."""
    gpu = energy.gpu_s_per_j(record.arms["control"].parts)
    spent, prices = record.effort, record.terms.prices
    return BreakEven(saved_j, control.total, record.took, spent.device_j, prices, gpu)


def cost_of_proof(record: RunRecord) -> EnergyTotal:
    """What the arms cost that were trained for nothing but the comparison.

    Loading torch is left out: the human arm needs it, too.
    """
    others = [(name, arm) for name, arm in record.arms.items() if name != "human"]
    return energy.total(part for name, arm in others for part in arm.parts if part.arm == name)


def _gain(a: ArmHistory, b: ArmHistory, kind: Kind) -> str:
    if a.final_metric is None or b.final_metric is None:
        return "not evaluated"
    return metrics.gain_said(metrics.gain(a.final_metric, b.final_metric, kind), kind)

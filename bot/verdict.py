"""What the votes of a run were worth, for better or worse: by every objective, and in words. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any, get_args

from bot import metrics, words
from bot.history import ArmHistory, ratio_to_target
from bot.wording import alone_said, arm_said
from bot.worth import Effort, Terms, amount_said, decisions, net, unit_of
from storage import energy
from storage.energy import EnergyTotal
from storage.models import EnergySum, Round, Run
from trainer.kinds import Kind
from trainer.segment import SegmentReport
from trainer.spec import Value

VALUES: tuple[Value, ...] = get_args(Value)
VALUE_WORDS: Mapping[Value, str] = {
    "quality-at-equal-energy": "quality at equal energy",
    "machine-energy": "machine energy",
    "energy-with-devices": "energy with people's devices",
    "money": "money",
}


@dataclass(frozen=True, slots=True)
class ArmRecord:
    """All that is known of one arm of one run."""

    history: ArmHistory
    parts: Sequence[EnergySum]  # its ledger, the shared start included
    reports: Sequence[SegmentReport]
    wall_s: float


@dataclass(frozen=True, slots=True)
class RunRecord:
    """All that is known of one finished run."""

    run: Run
    arms: Mapping[str, ArmRecord]
    rounds: Sequence[Round]
    votes: int
    cards: int
    terms: Terms  # what the team wants of its votes, and the prices
    notes: Sequence[str]  # what is measured and what is guessed

    @property
    def kind(self) -> Kind:
        """What its metric is."""
        return self.terms.kind

    @property
    def effort(self) -> Effort:
        """People's time and devices, as assumed per vote; what the machine waited its ledger has."""
        human_s = self.votes * self.terms.seconds_per_vote
        return Effort(self.cards, human_s, human_s * self.terms.device_w)


# --- by objective -------------------------------------------------------------------------------


def verdicts(record: RunRecord) -> dict[str, dict[str, Any]]:
    """Objective -> {pays, gain, unit, why}; `pays` is None where nothing can be said.

    Votes are held against the best that the machine reached without people, not against the
    control alone: what label names do for nothing is no merit of theirs.
    """
    human, control = record.arms.get("human"), record.arms.get("control")
    if human is None or control is None or control.history.final_metric is None:
        return {v: _verdict(v, None, None, "no control was trained", record.kind) for v in VALUES}
    if record.votes == 0:
        return {v: _verdict(v, None, None, "nobody voted", record.kind) for v in VALUES}
    alone = [arm.history for name, arm in record.arms.items() if name != "human"]
    quality, at_equal = _gain_at_equal_energy(record, human.history, alone)
    saved_j, saving = _saved(record, human.history, control.history, alone)
    whys = {"quality-at-equal-energy": at_equal, "machine-energy": saving}
    spent = record.effort
    if saved_j is not None:
        whys["energy-with-devices"] = f"{saving}, for {_devices(spent)}"
        verb = "saved" if saved_j > 0 else "lost"
        euros = amount_said("money", abs(saved_j) / 3.6e6 * record.terms.eur_per_kwh)
        whys["money"] = f"{euros} of energy {verb}, for {_labour(spent, record.terms)}"
    found: dict[str, dict[str, Any]] = {}
    for value in VALUES:
        gain = net(value, record.terms, spent, quality=quality, saved_j=saved_j)
        pays = gain is not None and gain > 0
        found[value] = _verdict(value, pays, gain, whys.get(value, saving), record.kind)
    return found


def _verdict(
    value: Value, pays: bool | None, gain: float | None, why: str, kind: Kind
) -> dict[str, Any]:
    return {"pays": pays, "gain": gain, "unit": unit_of(value, kind), "why": why}


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
    return gain, f"{metrics.gain_said(gain, kind)} at {words.energy(joules)}, {shown}"


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
    text = f"{words.energy(abs(saved_j))} {verb} against {alone_said(name, record.run.spec)}"
    if terms.later_runs:
        text += f", {words.plural(terms.later_runs, 'later run')} that go likewise included"
    return saved_j, text


def _devices(spent: Effort) -> str:
    return f"≈ {words.energy(spent.device_j)} of people's devices"


def _labour(spent: Effort, terms: Terms) -> str:
    euros = amount_said("money", spent.people_s / 3600 * terms.eur_per_hour)
    return f"{euros} of people's time ({words.duration(spent.people_s)}, assumed)"


def mean_verdicts(seeds: Sequence[Mapping[str, Any]], kind: Kind) -> dict[str, dict[str, Any]]:
    """The verdicts over several seeds: mean gains, and in how many of them the votes paid."""
    found: dict[str, dict[str, Any]] = {}
    for value in VALUES:
        each = [seed[value] for seed in seeds]
        paid = sum(bool(v["pays"]) for v in each)
        gains = [v["gain"] for v in each]
        gain = mean(gains) if None not in gains else None
        pays = None if any(v["pays"] is None for v in each) else gain is not None and gain > 0
        why = f"paid in {paid} of {words.plural(len(each), 'seed')}"
        if gain is not None:
            why += f", mean gain {words.number(gain)} {unit_of(value, kind)}"
        found[value] = _verdict(value, pays, gain, why, kind)
    return found


def by_objective(
    found: Mapping[str, Mapping[str, Any]], stated: Value, later_runs: int
) -> list[str]:
    """A sentence per objective, the stated one first, with the later runs that were counted."""
    said = {True: "the votes pay", False: "the votes do not pay", None: "no verdict"}
    lines = []
    later = words.plural(later_runs, "later run") if later_runs else "no later run"
    for value in sorted(VALUES, key=lambda v: v != stated):
        name = VALUE_WORDS[value]
        if value == stated:
            name += f" (the stated value; {later} counted)"
        lines.append(f"By {name}: {said[found[value]['pays']]}, {found[value]['why']}.")
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
    lines.append(
        f"Cost of proof (arms trained only to compare): {words.energy_total(proof, unit)}."
    )
    return lines


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
        f"({words.energy(abs(saved), unit=unit)} {'saved' if saved > 0 else 'lost'}, "
        "one pair, no interval)."
    )
    return [reached, energy_line, _people(record, saved)]


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


def _people(record: RunRecord, saved_j: float) -> str:
    human_s, device_j = record.effort.people_s, record.effort.device_j
    spent = (
        f"People spent ≈ {words.duration(human_s)} on {words.plural(record.votes, 'vote')} "
        f"and their devices ≈ {words.energy(device_j)} (both assumed)"
    )
    if saved_j > device_j:
        return f"{spent}: with their devices counted the votes still pay."
    if saved_j <= 0:
        return f"{spent}: the votes do not pay."
    runs = device_j / saved_j
    return (
        f"{spent}: at this size the votes do not pay, with the devices counted; "
        f"they would from a run about {runs:.0f} times as large."
    )

"""What a finished run or comparison says, as JSON and as tables. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import zip_longest
from statistics import mean
from typing import Any

from bot import leaning, metrics, pairs, words
from bot.history import ratio_to_target
from bot.record import ArmRecord, RunRecord
from bot.verdict import (
    break_even,
    by_objective,
    cost_of_proof,
    mean_verdicts,
    verdict,
    verdicts,
)
from bot.wording import arm_said, kind_of
from bot.worth import decisions
from storage import energy
from storage.energy import EnergyTotal
from storage.models import EnergySum
from trainer.kinds import Kind
from trainer.segment import SegmentReport


def run_report(record: RunRecord) -> dict[str, Any]:
    """The report of one run; keys as documented in docs/report.md."""
    histories = [arm.history for arm in record.arms.values()]
    target, ratio = ratio_to_target(histories)
    return {
        "run": record.run.run_id,
        "seed": record.run.seed,
        "arms": {name: _arm_report(arm, target, record) for name, arm in record.arms.items()},
        "votes": record.votes,
        "cards": record.cards,
        "energy_to_target_ratio": ratio,
        "target": target,
        "value": record.terms.value,
        "later_runs": record.terms.later_runs,
        "verdicts": verdicts(record),
        "decisions": decisions(record.rounds),
        "leanings": [asdict(shift) for shift in leaning.of_reports(_of_human(record))],
        "cost_of_proof_j": cost_of_proof(record).energy_j,
        "energy_j": _total(record.costs.total),
        **record.costs.as_json(),
        "break_even": _break_even(record),
        "people": {
            "seconds": record.effort.people_s,
            "device_j": record.effort.device_j,
            "eur_per_hour": record.terms.prices.per_labour_hour,
            "eur_per_kwh": record.terms.prices.per_kwh,
            "gpu_hour_price": record.terms.prices.per_gpu_hour,
            "currency": record.terms.prices.currency,
            "voters": record.took.voters,
            "median_s": record.took.median_s,
            "measured_answers": record.took.measured,
            "source": record.took.source,
        },
        "provenance": {
            "sources": list(record.notes),
            "versions": _versions(record),
            "spec": record.run.spec,
        },
        "verdict": verdict(record),
    }


def _of_human(record: RunRecord) -> Sequence[SegmentReport]:
    human = record.arms.get("human")
    return human.reports if human else ()


def _break_even(record: RunRecord) -> dict[str, Any] | None:
    """From what size of run on such votes pay; None where nothing can be told."""
    human, control = record.arms.get("human"), record.arms.get("control")
    if human is None or control is None or not record.votes or record.unlike:
        return None
    _, ratio = ratio_to_target([human.history, control.history])
    if ratio is None:
        return None
    joules = control.history.total.energy_j
    found = break_even(record, (1 - ratio) * joules, control.history)
    return {
        "saved_share": found.saved_share,
        "from_j": found.from_j,
        "from_j_in_money": found.from_j_in_money,
    }


def _arm_report(arm: ArmRecord, target: float | None, record: RunRecord) -> dict[str, Any]:
    history = arm.history
    phases = sorted({part.phase for part in arm.parts})
    net = energy.net(arm.parts, record.baselines)
    return {
        "final_metric": history.final_metric,
        "best_metric": history.best_metric,
        "exact_match": _exact_match(arm),
        "energy_j": {
            "total": _labelled(arm.parts),
            "phases": {
                phase: _labelled([p for p in arm.parts if p.phase == phase]) for phase in phases
            },
            "net": None if net is None else asdict(net),
            "mix": energy.mix(arm.parts),
            "coverage": history.total.coverage,
        },
        "energy_to_target_j": history.energy_to(target) if target is not None else None,
        "samples_trained": sum(r.samples_trained for r in arm.reports),
        "samples_scored": sum(r.samples_scored for r in arm.reports),
        "flops_estimate": sum(r.flops_estimate for r in arm.reports),
        "cpu_s": sum(cost.cpu_s for r in arm.reports for cost in r.costs),
        "wall_s": arm.wall_s,
        "history": [
            {"samples": p.samples, "energy_j": p.energy_j, "metric": p.metric}
            for p in history.points
        ],
    }


def _exact_match(arm: ArmRecord) -> float | None:
    """Share of the held-out answers that the model writes itself by the last evaluation."""
    points = [point for report in arm.reports for point in report.evaluations]
    return points[-1].exact_match if points else None


def _labelled(parts: Sequence[EnergySum]) -> dict[str, Any]:
    return _total(energy.total(parts))


def _total(total: EnergyTotal) -> dict[str, Any]:
    return {"j": total.energy_j, "u_j": total.u_j, "sources": dict(total.by_provenance)}


def _versions(record: RunRecord) -> dict[str, str]:
    for arm in record.arms.values():
        for report in arm.reports:
            return report.versions
    return {}


def comparison_report(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The report over several seeds: means at the top, every seed below."""
    first = reports[0]
    if len(reports) == 1:
        return {**first, "seeds": list(reports)}
    totals = [arm["energy_j"]["total"] for r in reports for arm in r["arms"].values()]
    is_estimated = any(map(is_mostly_estimated, totals))
    found = mean_verdicts([r["verdicts"] for r in reports], is_estimated=is_estimated)
    ratios = [r["energy_to_target_ratio"] for r in reports]
    return {
        "arms": {name: _mean([r["arms"][name] for r in reports]) for name in first["arms"]},
        "votes": sum(r["votes"] for r in reports),
        "cards": sum(r["cards"] for r in reports),
        "energy_to_target_ratio": mean(ratios) if None not in ratios else None,
        "saving": _saving(reports),
        "value": first["value"],
        "later_runs": first["later_runs"],
        "verdicts": found,
        "verdict": [
            *by_objective(found, first["value"], first["later_runs"]),
            saving_to_target(reports),
        ],
        "provenance": first["provenance"],
        "seeds": list(reports),
    }


def _ratios(reports: Sequence[Mapping[str, Any]]) -> list[float]:
    """Of the seeds whose arms may be held against each other and got there."""
    found = [r["energy_to_target_ratio"] for r in reports if is_comparable(r)]
    return [ratio for ratio in found if ratio]


def is_comparable(report: Mapping[str, Any]) -> bool:
    """Whether the arms' joules come from the same sources."""
    mixes = [arm["energy_j"].get("mix", {}) for arm in report["arms"].values()]
    return all(energy.is_same_mix(mixes[0], mix) for mix in mixes[1:])


def _saving(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """The share of machine energy saved on the way to the control's metric, over the pairs."""
    ratios = _ratios(reports)
    if len(ratios) < len(reports):
        return None
    found = pairs.saving(ratios)
    return {"mean": found.mean, "low": found.low, "high": found.high, "pairs": found.pairs}


def saving_to_target(reports: Sequence[Mapping[str, Any]]) -> str:
    """What paired seeds say of the machine energy to the control's metric."""
    kind = kind_of(reports[0]["provenance"]["spec"])
    what = f"machine energy to the control's {kind.metric} with votes"
    unlike = sum(not is_comparable(r) for r in reports)
    if unlike:
        said = f"in {unlike} of {len(reports)} pairs the arms were metered by other sources"
        return f"{what.capitalize()}: {said}, so no saving is claimed."
    ratios = _ratios(reports)
    if len(ratios) < len(reports):
        said = f"reached in {len(ratios)} of {len(reports)} pairs"
        return f"{what.capitalize()}: {said}, so no saving is claimed: votes did not pay."
    return pairs.saving_said(pairs.saving(ratios), what)


def _mean(values: Sequence[Any]) -> Any:
    """The mean of alike structures, number by number; None as soon as one is missing."""
    first = values[0]
    if any(v is None for v in values):
        return None
    if isinstance(first, dict):
        return {k: _mean([v[k] for v in values if k in v]) for k in first}
    if isinstance(first, list):
        return [_mean(list(row)) for row in zip(*values, strict=False)]
    return mean(values) if isinstance(first, int | float) else first


def table(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of words: a heading, then a row per arm."""
    kind = kind_of(report["provenance"]["spec"])
    rows: list[tuple[str, ...]] = [
        ("arm", kind.metric, "best", "energy (95 %)", "to target", "samples", "CPU")
    ]
    writes = any(arm["exact_match"] is not None for arm in report["arms"].values())
    if writes:
        rows[0] += ("word for word",)
    unit = words.unit_for(arm["energy_j"]["total"]["j"] for arm in report["arms"].values())
    spec = report["provenance"]["spec"]
    for name, arm in report["arms"].items():
        total = arm["energy_j"]["total"]
        to_target = arm["energy_to_target_j"]
        rows.append(
            (
                arm_said(name, spec),
                metrics.said(arm["final_metric"], kind),
                metrics.said(arm["best_metric"], kind),
                f"{_sign(total)}{words.energy(total['j'], total['u_j'], unit)}",
                _to_target(report, name)
                if to_target is None
                else f"{_sign(total)}{words.energy(to_target, _u(total, to_target), unit)}",
                words.count(round(arm["samples_trained"])),
                f"{arm['cpu_s']:.0f} s",
            )
        )
        if writes:
            exact = arm["exact_match"]
            rows[-1] += ("-" if exact is None else f"{100 * exact:.1f} %",)
    return rows


def _to_target(report: Mapping[str, Any], arm: str) -> str:
    """Where there is no mean over the seeds: how many got there."""
    seeds = report.get("seeds", [report])
    reached = sum(seed["arms"][arm]["energy_to_target_j"] is not None for seed in seeds)
    return f"{reached} of {len(seeds)} seeds" if reached else "never"


def curves(report: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Rows of words: the metric against the energy so far, an evaluation a row, an arm a column."""
    arms = report["arms"]
    unit = words.unit_for(arm["energy_j"]["total"]["j"] for arm in arms.values())
    spec = report["provenance"]["spec"]
    kind = kind_of(spec)
    rows: list[tuple[str, ...]] = [("samples", *(arm_said(name, spec) for name in arms))]
    histories = [arm["history"] or [] for arm in arms.values()]
    for points in zip_longest(*histories):
        at = next(point["samples"] for point in points if point)
        cells = [
            _at(p, arm["energy_j"]["total"], kind, unit) if p else ""
            for p, arm in zip(points, arms.values(), strict=True)
        ]
        rows.append((words.count(round(at)), *cells))
    return rows


def _at(point: Mapping[str, Any], total: Mapping[str, Any], kind: Kind, unit: words.Unit) -> str:
    joules = point["energy_j"]
    spent = words.energy(joules, _u(total, joules), unit)
    return f"{metrics.said(point['metric'], kind)} at {_sign(total)}{spent}"


def _u(total: Mapping[str, Any], joules: float) -> float:
    """Of a part of an arm's joules, as well known as the whole."""
    return float(total["u_j"] / total["j"] * joules) if total["j"] else 0.0


def is_mostly_estimated(total: Mapping[str, Any]) -> bool:
    """Whether less than half of a total's joules were measured."""
    measured = sum(j for label, j in total["sources"].items() if label.startswith("M-"))
    return bool(measured < 0.5 * total["j"])


def _sign(total: Mapping[str, Any]) -> str:
    return "≈ " if is_mostly_estimated(total) else ""

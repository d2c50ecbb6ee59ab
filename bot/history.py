"""A run's arms as curves of metric over joules, and what they say about each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from storage import energy
from storage.energy import EnergyTotal
from storage.models import Arm, EnergyReading, EnergySum, Evaluation


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation."""

    samples: int
    energy_j: float  # of the arm until then, the shared start included
    metric: float
    dev_metric: float | None = None


@dataclass(frozen=True, slots=True)
class ArmHistory:
    """One arm from its start to now."""

    name: str
    points: tuple[Point, ...]
    total: EnergyTotal  # the shared start included

    @property
    def final_metric(self) -> float | None:
        """The metric of what the arm leaves: where its dev metric was best, the first such point."""
        if not self.points:
            return None
        known = [p for p in self.points if p.dev_metric is not None]
        return (
            max(known, key=lambda p: p.dev_metric or 0.0).metric
            if known
            else self.points[-1].metric
        )

    @property
    def best_metric(self) -> float | None:
        """The best metric so far."""
        return max((p.metric for p in self.points), default=None)

    def metric_at(self, energy_j: float) -> float | None:
        """The metric when so many joules were spent, interpolated; None before the first one.

        An arm that needed less in all has its last metric.
        """
        before: Point | None = None
        for point in self.points:
            if point.energy_j > energy_j:
                if before is None:
                    return None
                share = (energy_j - before.energy_j) / (point.energy_j - before.energy_j)
                return before.metric + share * (point.metric - before.metric)
            before = point
        return self.final_metric

    def energy_to(self, target: float) -> float | None:
        """Joules at which the metric first reached `target`; None = never."""
        return energy.energy_to_target([(p.energy_j, p.metric) for p in self.points], target)


def is_of(part: EnergyReading | EnergySum, arm: str) -> bool:
    """Whether joules count as this arm's: its own, and loading torch once for all arms."""
    return part.arm == arm or (part.arm is None and part.phase == "load")


def histories(
    arms: Sequence[Arm],
    evaluations: Mapping[str, Sequence[Evaluation]],
    readings: Sequence[EnergyReading],
) -> list[ArmHistory]:
    """The arms' curves, in their order.

    Loading torch once serves all arms; each is charged all of it, as if it had run alone, so no
    arm looks cheaper than it is.

    Args:
        arms: the arms of one run.
        evaluations: arm_id -> its evaluations in order.
        readings: the run's ledger.
    """
    result = []
    for arm in arms:
        own = [r for r in readings if is_of(r, arm.name)]
        points = tuple(
            Point(e.samples, energy.spent_until(own, e.at), e.metric, e.dev_metric)
            for e in evaluations.get(arm.arm_id, ())
        )
        result.append(ArmHistory(arm.name, points, energy.total(energy.sums(own))))
    return result


def ratio_to_target(arms: Sequence[ArmHistory]) -> tuple[float | None, float | None]:
    """(target, ratio): human joules to the control's final metric over all the control's joules.

    The ratio is None when one of the two arms is missing or the human arm never got there.
    """
    by_name = {arm.name: arm for arm in arms}
    human, control = by_name.get("human"), by_name.get("control")
    if human is None or control is None or control.final_metric is None:
        return None, None
    joules = human.energy_to(control.final_metric)
    if joules is None or control.total.energy_j <= 0:
        return control.final_metric, None
    return control.final_metric, joules / control.total.energy_j

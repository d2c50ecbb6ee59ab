"""Joules in sentences: of a run, of its arms and phases. Pure."""

from __future__ import annotations

from bot import words
from bot.energy.breakeven import took
from bot.energy.costs import Account
from bot.wording import arm_said
from storage import energy
from storage.energy import EnergyTotal
from storage.models import PROVENANCE_WORDS

WORTH_A_WORD = 0.005
"""Share of an arm's joules from which on a phase is told of."""


def run_said(account: Account) -> str:
    """A run's joules by arm and phase, gross and net; people and their devices stand apart."""
    run, parts, costs = account.run, account.parts, account.costs
    if not parts:
        return f"Run {run.run_id}: no energy was booked yet."
    totals = energy.by_arm(parts)
    unit = words.unit_for([costs.total.energy_j])
    lines = [f"Run {run.run_id}: {words.energy_total(costs.total, unit)}"]
    lines += [
        f"• {arm_said(arm, run.spec)}: {words.energy_total(total, unit)} – {phases(total, unit)}"
        for arm, total in totals.items()
    ]
    lines.append(net_said(energy.net(parts, account.baselines), costs.total, unit))
    lines.append(sources(costs.total))
    if costs.people.votes:
        lines.append(f"{took(costs.people)}; their devices {words.devices(costs.device_j)}")
    return "\n".join([*lines, *costs.said()])


def phases(total: EnergyTotal, unit: words.Unit) -> str:
    """`train 0.412 kWh ±0.02, evaluate ...`, the largest first; what is next to nothing is left out."""
    if total.is_unknown:
        return "no reading"
    return ", ".join(
        f"{phase} {words.part_of(total, joules, unit, total.u_by_phase[phase])}"
        for phase, joules in sorted(total.by_phase.items(), key=lambda e: -e[1])
        if joules >= WORTH_A_WORD * total.energy_j
    )


def net_said(net: energy.Net | None, gross: EnergyTotal, unit: words.Unit) -> str:
    """What is left above idle, or why that is not known."""
    if net is None:
        return "Net of idle: not known, no idle power was measured before this run."
    if not gross.by_provenance.keys() & energy.OF_DEVICES:
        return "Net of idle: the same, as nothing but our own processes is counted."
    text = (
        f"Net of idle: {words.part_of(gross, net.energy_j, unit, net.u_j)} ({words.known(gross)})"
    )
    if net.below:
        text += f"; {words.listed(net.below)} drew less than when idle before, counted as 0"
    return f"{text}."


def percent(share: float) -> str:
    """A share, also a small one."""
    return f"{share:.0%}" if share >= 0.005 or share == 0 else "under 1%"


def sources(total: EnergyTotal) -> str:
    """Where the joules come from, and what share of each."""
    shares = sorted(total.by_provenance.items(), key=lambda e: -e[1])
    whole = total.energy_j or 1.0
    said = "; ".join(f"{PROVENANCE_WORDS[label]} {percent(j / whole)}" for label, j in shares)
    return f"Sources: {said}. Sampled {total.coverage:.1%} of the time."

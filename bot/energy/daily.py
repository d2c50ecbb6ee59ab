"""A day of energy in words: a card, its details, and a chart as plain data. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.base import Card, Picture
from bot import words
from bot.days import LocalDay
from bot.energy import joules
from bot.energy.breakeven import took
from bot.energy.costs import Costs, Place
from bot.energy.effort import People
from bot.energy.remarks import remarked, short, warnings
from bot.report import saving_to_target
from bot.verdict import by_objective
from bot.wording import arm_said
from storage import energy
from storage.energy import EnergyTotal
from storage.models import EnergyBaseline, EnergyMinute, EnergySum, Run

QUIET_J = 36_000.0
"""What the bot spends without a run is worth a line from 0.01 kWh on."""
MAX_BARS = 8
"""Arms that are told apart."""
METHOD = "Joulery meters components, not the wall socket; what is covered: docs/energy.md"


@dataclass(frozen=True, slots=True)
class RunDay:
    """What a run spent on a day, and what it left behind if it ended on it."""

    run: Run
    parts: Sequence[EnergySum]
    report: Mapping[str, Any] | None = None
    baselines: Sequence[EnergyBaseline] = ()
    budget: str = ""  # how much of it is used, in words


@dataclass(frozen=True, slots=True)
class DayBook:
    """A day as the books have it.

    Attributes:
        day: which.
        runs: that spent anything on it.
        people: what voting took on it.
        loose: parts of no run: the bot itself, and machines that idle.
        before: totals of the seven days before, oldest first; None where nothing was booked.
        remarks: minutes with gaps or anomalies.
        place: country and prices.
        host: whose energy it is.
        is_late: the summary comes long after it was due.
        is_over: the day has ended.
    """

    day: LocalDay
    runs: Sequence[RunDay]
    people: People
    loose: Sequence[EnergySum]
    place: Place
    before: Sequence[EnergyTotal | None] = ()
    remarks: Sequence[EnergyMinute] = ()
    host: str = ""
    is_late: bool = False
    is_over: bool = True

    @property
    def parts(self) -> list[EnergySum]:
        """What the day's total is of: all runs, and the bot."""
        own = [part for part in self.loose if not is_nobodys(part)]
        return [*(part for run in self.runs for part in run.parts), *own]

    @property
    def beside(self) -> list[EnergySum]:
        """What was booked on nobody: no part of the total, of its CO2e and of its costs."""
        return [part for part in self.loose if is_nobodys(part)]

    @property
    def total(self) -> EnergyTotal:
        """All joules of the day that are ours."""
        return energy.total(self.parts)

    @property
    def costs(self) -> Costs:
        """What the day comes to."""
        return Costs.of(self.parts, self.people, self.place)

    @property
    def is_empty(self) -> bool:
        """Nothing was booked at all."""
        return not self.runs and not self.loose

    @property
    def is_quiet(self) -> bool:
        """No run spent anything."""
        return not self.runs


def is_nobodys(part: EnergySum) -> bool:
    """Whether joules of no run are not the bot's either: idle machines, and what others compute."""
    return part.phase != "bot"


def shares(book: DayBook) -> list[tuple[str, EnergyTotal]]:
    """(who, total), the largest first, that together are the day: arms, and the bot.

    Where there are many, the smallest are put together.
    """
    owners: dict[str, list[EnergySum]] = defaultdict(list)
    for one in book.runs:
        for part in one.parts:
            arm = arm_said(part.arm, one.run.spec) if part.arm else energy.SHARED
            owners[f"{one.run.run_id} {arm}"].append(part)
    own = [part for part in book.loose if not is_nobodys(part)]
    if own:
        owners["the bot, no run"] = own
    ranked = sorted(owners.items(), key=lambda owner: -sum(p.energy_j for p in owner[1]))
    shown, rest = ranked[:MAX_BARS], ranked[MAX_BARS:]
    if rest:
        shown.append((f"{len(rest)} more", [part for _, own in rest for part in own]))
    return [(name, energy.total(own)) for name, own in shown]


# --- in words -----------------------------------------------------------------------------------


def quiet_line(book: DayBook) -> str:
    """A day without runs in one line; "" where even that is too much."""
    total = book.total
    if total.energy_j < QUIET_J:
        return ""
    said = f"Energy, {book.day.name}: no runs; the bot itself {words.energy_total(total)}."
    return " ".join(filter(None, [said, beside_said(book)]))


def card(book: DayBook, picture: Picture | None) -> Card:
    """The summary as it stands in the channel."""
    total, unit = book.total, words.unit_for([book.total.energy_j])
    late = " (late)" if book.is_late else ""
    so_far = "" if book.is_over else ", so far"
    title = f"Energy, {book.day.name}{so_far}{late}: {words.energy_total(total, unit)}"
    change = change_said(total, book.before) if book.is_over else ""  # half a day is no change
    lines = [change, people_said(book)]
    lines += [
        *book.costs.said(),
        beside_said(book),
        *compared(book),
        *warnings(book.remarks, book.day),
    ]
    own = shares(book)
    top = max((t.energy_j for _, t in own), default=0.0) or 1.0
    return Card(
        text=title,
        title=title,
        lines=tuple(filter(None, lines)),
        bars=tuple(
            (name, share.energy_j / top, words.energy_total(share, unit)) for name, share in own
        ),
        pictures=(picture,) if picture else (),
        footer=f"{book.day.hours} · details in the thread",
        tone="plain",
    )


def text(book: DayBook) -> str:
    """The summary as an answer in chat: all of it in one text."""
    if book.is_empty:
        return f"Energy, {book.day.name}: nothing booked."
    shown = card(book, None)
    bars = [f"• {name}: {note}" for name, _, note in shown.bars]
    return "\n".join([shown.title, *bars, *shown.lines])


def details(book: DayBook) -> str:
    """What stands in the thread: phases, devices, waiting, sources, and every remark."""
    unit = words.unit_for([book.total.energy_j])
    lines = [
        f"• {name} ({words.known(total)}): {joules.phases(total, unit)}"
        for name, total in shares(book)
    ]
    lines.insert(0, "By arm and phase:")
    lines.append(f"By device: {_by_device(book.parts, unit)}")
    lines.append(waited(book, unit))
    lines += [net_said(one, unit) for one in book.runs]
    lines += [f"{one.run.run_id}: {one.budget}" for one in book.runs if one.budget]
    lines.append(joules.sources(book.total))
    lines += remarked(book.remarks, book.day)
    lines.append(f"{METHOD}. Host {book.host}." if book.host else f"{METHOD}.")
    return "\n".join(filter(None, lines))


def week(books: Sequence[tuple[LocalDay, EnergyTotal | None]]) -> str:
    """The last days, a line each, and their sum."""
    known = [total for _, total in books if total is not None]
    if not known:
        return "Energy, the last 7 days: nothing was booked."
    unit = words.unit_for(total.energy_j for total in known)
    lines = ["Energy, the last 7 days:"]
    for day, total in books:
        said = "nothing booked" if total is None else words.energy_total(total, unit)
        lines.append(f"• {day.name}: {said}")
    whole = sum(total.energy_j for total in known)
    u_j = sum(total.u_j for total in known)  # one meter: its error is the same every day
    measured = sum(total.measured_share * total.energy_j for total in known) / (whole or 1.0)
    sign = "≈ " if measured < 0.5 else ""
    how = words.how_known(measured)
    lines.append(f"Together {sign}{words.energy(whole, u_j, unit)} ({how})")
    return "\n".join(lines)


def people_said(book: DayBook) -> str:
    """Votes, time and devices; "" where nobody voted."""
    people = book.people
    if not people.votes:
        return ""
    return f"{took(people)}; their devices {words.devices(book.costs.device_j)}"


def change_said(total: EnergyTotal, before: Sequence[EnergyTotal | None]) -> str:
    """`+4 % against the mean of the 7 days before`; "" where there are none."""
    known = [b.energy_j for b in before if b is not None and b.energy_j > 0]
    if not known or total.is_unknown:
        return ""
    change = total.energy_j / (sum(known) / len(known)) - 1
    days = f"the {len(known)} of {len(before)} days before that had any"
    if len(known) == len(before):
        days = f"the {len(before)} days before"
    sign = "+" if change >= 0 else "\N{MINUS SIGN}"
    return f"{sign}{abs(change):.0%} against the mean of {days}."


def beside_said(book: DayBook) -> str:
    """What no run can be charged with, apart from the total; "" where there is none."""
    total = energy.total(book.beside)
    if total.energy_j <= 0:
        return ""
    return (
        f"On no run, so in no total: {words.energy_total(total)}, by machines that idle and boards "
        "that are sliced or that others compute on."
    )


def compared(book: DayBook) -> list[str]:
    """What runs that ended say of votes: by name, over their pairs."""
    by_name: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for one in book.runs:
        if one.report is not None and one.report["target"] is not None:
            by_name[one.run.name].append(one.report)
    lines = []
    for name, reports in sorted(by_name.items()):
        lines.append(f"{name}: {saving_to_target(reports)}")
        if len(reports) == 1:
            found = reports[0]
            lines.append(by_objective(found["verdicts"], found["value"], found["later_runs"])[0])
    return lines


def net_said(one: RunDay, unit: words.Unit) -> str:
    """What a run took above idle; "" where no idle power was measured before it."""
    net = energy.net(one.parts, one.baselines) if one.baselines else None
    if net is None:
        return ""
    return f"{one.run.run_id}, {joules.net_said(net, energy.total(one.parts), unit)}"


def waited(book: DayBook, unit: words.Unit) -> str:
    """What waiting cost, apart; "" where nobody waited."""
    waits = [part for part in book.parts if part.phase == "wait"]
    idle = [part for part in book.beside if part.phase == "wait"]
    by_source: dict[tuple[str, str], float] = defaultdict(float)
    for part in [*waits, *idle]:
        by_source[part.source, part.device] += part.duration_s
    if not by_source:
        return ""
    lasted = words.duration(max(by_source.values()))
    text = f"Waiting for votes or cleaner electricity: {lasted}, no training process"
    if waits:
        text += f": {words.energy_total(energy.total(waits), unit)}"
    if idle:
        nobodys = words.energy_total(energy.total(idle), unit)
        text += f"; what the machines drew meanwhile is on no run: {nobodys}"
    return text


def _by_device(parts: Iterable[EnergySum], unit: words.Unit) -> str:
    devices: dict[str, list[EnergySum]] = defaultdict(list)
    for part in parts:
        devices[part.device].append(part)
    totals = sorted(
        ((device, energy.total(own)) for device, own in devices.items()),
        key=lambda one: -one[1].energy_j,
    )
    return "; ".join(f"{short(d)} {words.energy_total(total, unit)}" for d, total in totals)


# --- as a chart ---------------------------------------------------------------------------------


def chart(book: DayBook) -> dict[str, Any]:
    """Arms by phase, and the last eight days, as plain data; see `bot.pictures`."""
    totals = [*book.before, book.total]
    days = [book.day.before(ago) for ago in range(len(book.before), -1, -1)]
    unit = words.unit_for([book.total.energy_j])
    week_unit = words.unit_for(t.energy_j for t in totals if t is not None)
    return {
        "kind": "day",
        "title": f"{book.day.name}: {words.energy_total(book.total, unit)}",
        "unit": unit.name,
        "arms": [
            {
                "name": name,
                "said": words.energy_total(total, unit),
                "phases": {p: j / unit.size_j for p, j in total.by_phase.items()},
                "u": total.u_j / unit.size_j,
            }
            for name, total in shares(book)
        ],
        "week_unit": week_unit.name,
        "days": [
            {
                "name": f"{day.date:%a}\n{day.date.day}",
                "value": 0.0 if total is None else total.energy_j / week_unit.size_j,
                "u": 0.0 if total is None else total.u_j / week_unit.size_j,
                "measured": 0.0 if total is None else total.measured_share,
            }
            for day, total in zip(days, totals, strict=True)
        ],
    }


def alt(book: DayBook) -> str:
    """The chart in words."""
    unit = words.unit_for([book.total.energy_j])
    said = "; ".join(f"{name} {words.energy_total(t, unit)}" for name, t in shares(book))
    return f"Energy on {book.day.name} by arm and phase, and the days before. {said}"

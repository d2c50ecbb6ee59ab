"""From what size of run on votes pay, in energy and in money. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bot import words
from bot.energy.effort import People
from bot.energy.prices import Prices
from storage.energy import EnergyTotal


@dataclass(frozen=True, slots=True)
class BreakEven:
    """What votes saved in a run beside what they cost.

    Attributes:
        saved_j: machine energy; below 0: lost.
        control: all the joules of the run without people.
        people: what voting took.
        device_j: of their devices.
        prices: what is paid.
        gpu_s_per_j: GPU time that comes with a joule.
    """

    saved_j: float
    control: EnergyTotal
    people: People
    device_j: float
    prices: Prices
    gpu_s_per_j: float = 0.0

    @property
    def saved_share(self) -> float:
        """Of the control's joules."""
        return self.saved_j / self.control.energy_j if self.control.energy_j > 0 else 0.0

    @property
    def from_j(self) -> float | None:
        """The size of a run, without people, from which on such votes save energy; None = never."""
        return self.device_j / self.saved_share if self.saved_share > 0 else None

    @property
    def from_j_in_money(self) -> float | None:
        """The same in money; None = never, or not told for want of a price."""
        per_j = self.prices.machine(1.0, self.gpu_s_per_j)
        if self.prices.missing or self.saved_share <= 0 or per_j <= 0:
            return None
        return self.prices.labour(self.people.seconds) / per_j / self.saved_share

    def said(self) -> list[str]:
        """In energy, and in money where there are prices."""
        spent = f"{took(self.people)} and their devices {words.devices(self.device_j)}"
        lines = [f"{spent}: {self._energy_said()}"]
        if not self.prices.missing:
            lines.append(self._money_said())
        return lines

    def _energy_said(self) -> str:
        if self.from_j is None:
            return "the votes do not pay."
        rule = f"from runs of {self._size(self.from_j, words.DEVICE_U)} on, these votes pay."
        if self.saved_j > self.device_j:
            return f"with their devices counted the votes still pay; {rule}"
        times = self.device_j / self.saved_j
        return (
            f"at this size the votes do not pay, with the devices counted; they would from a run "
            f"about {times:.0f} times as large: {rule}"
        )

    def _money_said(self) -> str:
        prices = self.prices
        saved = prices.machine(self.saved_j, self.saved_j * self.gpu_s_per_j)
        labour = prices.labour(self.people.seconds)
        u = prices.machine(self.control.u_of(self.saved_j))
        verb = "saved" if saved > 0 else "lost"
        text = (
            f"In money: {prices.said(abs(saved), u)} of machine {verb} for {prices.said(labour)} of "
            f"people's time: the votes {'pay' if saved > labour else 'do not pay'}"
        )
        size = self.from_j_in_money
        if size is None:
            return f"{text}, at no size of run."
        return f"{text}; from runs of {self._size(size, 0.0)} on, they do."

    def _size(self, joules: float, u: float) -> str:
        """A size of run, as well known as the control's joules and what else it rests on."""
        own = self.control.u_of(1.0)
        return f"≈ {words.energy(joules, (u**2 + own**2) ** 0.5 * joules)} (estimated)"


def took(people: People) -> str:
    """How long people took, and how that is known."""
    text = f"People spent {words.duration(people.seconds)} on {words.plural(people.votes, 'vote')}"
    assumed = f"assumed at {words.number(people.assumed_s, 2)} s a vote"
    if people.median_s is None:
        return f"{text} ({assumed})"
    answers = words.plural(people.measured, "answer")
    known = f"measured, median {words.number(people.median_s, 2)} s over {answers}"
    if people.assumed_votes:
        known += f"; {words.plural(people.assumed_votes, 'vote')} {assumed}"
    return f"{text} ({known})"

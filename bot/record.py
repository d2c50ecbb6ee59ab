"""All that is known of a run that has ended. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.energy.costs import Costs, Place
from bot.energy.effort import People
from bot.history import ArmHistory
from bot.worth import Effort, Terms
from storage import energy
from storage.models import EnergyBaseline, EnergySum, Round, Run
from trainer.kinds import Kind
from trainer.segment import SegmentReport


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
    people: People | None = None  # what voting took, where it was measured
    baselines: Sequence[EnergyBaseline] = ()
    place: Place | None = None  # None: no country

    @property
    def kind(self) -> Kind:
        """What its metric is."""
        return self.terms.kind

    @property
    def effort(self) -> Effort:
        """People's time and devices; what the machine waited its ledger has."""
        human_s = self.took.seconds
        return Effort(self.cards, human_s, human_s * self.terms.device_w)

    @property
    def took(self) -> People:
        """What voting took of people."""
        return self.people or People.assumed(self.votes, self.terms.seconds_per_vote)

    @property
    def costs(self) -> Costs:
        """What all arms and the voters come to, loading torch once."""
        place = self.place or Place(self.terms.prices, self.terms.device_w)
        own = [p for arm in self.arms.values() for p in arm.parts if p.arm is not None]
        shared = next((arm.parts for arm in self.arms.values()), ())
        return Costs.of([*own, *(p for p in shared if p.arm is None)], self.took, place)

    @property
    def unlike(self) -> str:
        """The arm that was metered by other sources than the one with votes; "" = none."""
        human = self.arms.get("human")
        own = energy.mix(human.parts) if human else {}
        others = [name for name in self.arms if name != "human"]
        mixes = {name: energy.mix(self.arms[name].parts) for name in others}
        return next((name for name, mix in mixes.items() if not energy.is_same_mix(own, mix)), "")

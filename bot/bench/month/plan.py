"""How long the month is, who takes part, and what goes wrong in it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import yaml

from bot.bench.chat.venue import Venue
from trainer.spec import RunSpec

ZONE = ZoneInfo("Europe/Berlin")


@dataclass(frozen=True, slots=True)
class Plan:
    """A month, or a few days.

    Attributes:
        starts: its first moment.
        days: how many.
        speed: seconds of it in one of the wall's.
        runs: started one after the other.
        first, last: hours after its beginning when the first and the last run start.
        pauses: shares of a training at which people are asked.
        people: who answer.
        cards: per round.
        deadline_h: hours a round stays open, by day.
        kills: how often the bot is killed.
        locks: how often the database is locked.
        samples: how many the real run trains on; None: all.
    """

    starts: datetime
    days: int
    speed: float
    runs: int
    first: float
    last: float
    pauses: tuple[float, ...]
    people: int
    cards: int
    deadline_h: float
    kills: int
    locks: int
    samples: int | None = None

    @property
    def ends(self) -> datetime:
        """Its last moment."""
        return self.starts + timedelta(days=self.days)

    @property
    def wall_s(self) -> float:
        """How long it takes."""
        return self.days * 86_400 / self.speed

    def start_of(self, n: int) -> datetime:
        """When a run is started."""
        step = (self.last - self.first) / max(1, self.runs - 1)
        return self.starts + timedelta(hours=self.first + n * step)


MONTH = Plan(
    starts=datetime(2026, 10, 11, 8, tzinfo=ZONE), days=30, speed=2000.0, runs=12, first=2, last=552,
    pauses=(0.0, 0.3, 0.6), people=12, cards=14, deadline_h=24, kills=40, locks=30,
)  # fmt: skip
"""The clocks go back on 25 October. 12 x 3 rounds x 12 people x 14 cards: 6 048 votes, less a few cards."""

QUICK = Plan(
    starts=datetime(2026, 10, 24, 8, tzinfo=ZONE), days=2, speed=10_000.0, runs=2, first=1, last=4,
    pauses=(0.0,), people=4, cards=5, deadline_h=18, kills=2, locks=3,
    samples=300,
)  # fmt: skip


def bot_settings(venue: Venue, folder: Path) -> dict[str, Any]:
    """What the bot is told."""
    return {
        "data_dir": folder / "data",
        "specs_dir": folder / "specs",
        "operators": f"{venue.name}:*",
        "web_port": 0,
        "timezone": ZONE.key,
        **venue.settings(),
    }


def write_spec(spec: RunSpec, plan: Plan, folder: Path, quorum: int) -> None:
    """The run of the month: it asks at its pauses, and nothing but samples."""
    raw = spec.model_dump(mode="json") | {"name": "month"}
    raw["ask"] |= {
        "at": list(plan.pauses), "audit": 0, "cards": plan.cards, "repeats": 0, "feature_cards": 0,
        "quorum": quorum, "deadline": plan.deadline_h * 3600, "style": "both",
    }  # fmt: skip
    if plan.samples is not None:
        raw["data"]["limit"], raw["train"]["epochs"] = plan.samples, 2
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "month.yaml").write_text(yaml.safe_dump(raw), encoding="utf-8")

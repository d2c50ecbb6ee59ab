"""What passes between the bot and the trackers' process, which loads nothing else of the bot. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Series:
    """An arm as trackers know it: a run of theirs, in the group of ours.

    Attributes:
        id: the same for the same arm of the same bot, and for no other.
        group: of all arms of one run.
        arm: its name.
        settings: the spec.
    """

    id: str
    group: str
    arm: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Tracked:
    """Numbers of an arm after some samples.

    Attributes:
        step: samples trained on.
        at: aware UTC.
        values: name -> number; joules are the arm's until then, the shared start included.
    """

    step: int
    at: datetime
    values: Mapping[str, float]

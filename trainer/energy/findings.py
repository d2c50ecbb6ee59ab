"""What a host was found to measure, in words for people. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from storage.models import Provenance

State = Literal["measured", "estimated", "not metered", "none"]


@dataclass(frozen=True, slots=True)
class Finding:
    """How well one part of the host is known.

    Attributes:
        part: `GPU 0 NVIDIA H100`, `CPU`, ...
        state: measured, estimated, not metered though it is there, or not there.
        how: by what, or why not.
        provenance: the label its joules carry; None = it brings none.
        remedy: what would make it better; "" = nothing, or nothing is amiss.
        note: what to keep in mind.
    """

    part: str
    state: State
    how: str
    provenance: Provenance | None = None
    remedy: str = ""
    note: str = ""

    @property
    def line(self) -> str:
        """All of it in one line, without the remedy."""
        told = f"{self.part}: {self.state}" + (f", {self.how}" if self.how else "")
        return f"{told}; {self.note}" if self.note else told

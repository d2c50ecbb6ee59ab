"""The nouns of the house: frozen values that every room may hold and pass on.

A noun that is also a table is declared here once and gets its row class in `storage.tables`;
rows never leave `storage`. All times are aware UTC, all energies joules, all durations seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import ConfigDict
from sqlmodel import Field, SQLModel


class Value(SQLModel):
    """A frozen, strict noun.

    `class X(SQLModel, frozen=True)` is silently neither frozen nor strict at run time, so the
    configuration is written out (checked by a test).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")  # type: ignore[assignment]


# --- runs ---------------------------------------------------------------------------------------


class RunState(StrEnum):
    """Where a run stands; `RunStore.move` keeps every transition."""

    QUEUED = "queued"  # it waits for the device, or for cleaner electricity
    TRAINING = "training"
    ASKING = "asking"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def is_final(self) -> bool:
        """True once nothing more will happen to the run."""
        return self in (RunState.FINISHED, RunState.STOPPED, RunState.FAILED)

    @property
    def is_moving(self) -> bool:
        """True while the run trains, asks or waits for its turn; held and ended runs do not."""
        return self in (RunState.QUEUED, RunState.TRAINING, RunState.ASKING)


class ArmState(StrEnum):
    """Where one arm of a run stands."""

    PENDING = "pending"
    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"


class Wish(Value):
    """What somebody wants of a run as soon as its training reaches a place where that can be done."""

    what: Literal["stop", "ask"]  # end it at its next pause; open a round at its next step
    who: str


class Run(Value):
    """One fine-tune that a team steers, with all its arms."""

    run_id: str
    name: str
    spec: dict[str, Any]  # the validated RunSpec as JSON: what was asked for, kept for ever
    seed: int
    state: RunState
    reason: str = ""  # why it stands where it stands, in plain words
    folder: str  # plans, reports, checkpoints and pictures
    comparison_id: str | None = None  # groups the seeds of one `joulery compare`
    budget: str = ""  # what it may cost at most, e.g. "0.5kWh"; empty: as much as it takes
    wish: Wish | None = None
    created_by: str
    created_at: datetime
    ended_at: datetime | None = None


class Transition(Value):
    """One change of a run's state: who made it, when and why."""

    run_id: str
    at: datetime
    before: str
    after: str
    who: str
    why: str


class Arm(Value):
    """One way of training within a run: `human`, `control`, `no_votes`, ..."""

    arm_id: str  # "<run_id>.<name>"
    run_id: str
    name: str
    position: int  # order within the run
    state: ArmState
    reason: str = ""
    planned_samples: int | None = None  # known once the child has read the pool


class SegmentState(StrEnum):
    """Where one stretch of training between two pauses stands."""

    PLANNED = "planned"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    UNDONE = "undone"  # the run went back to a checkpoint before it; what it cost stays booked


class Segment(Value):
    """One attempt at training between two pauses: one child process."""

    segment_id: str  # "<arm_id>.<n>.<attempt>"
    arm_id: str
    n: int
    attempt: int
    state: SegmentState
    until: float  # share of the arm's planned samples at which it pauses; 0 = prepare only
    lease_token: str  # a report that carries another token is never booked
    handle: dict[str, Any] | None = None  # how the launcher finds the process again
    error: str = ""
    planned_at: datetime
    ended_at: datetime | None = None
    report: dict[str, Any] | None = None  # the SegmentReport as JSON, once booked


class Checkpoint(Value):
    """LoRA weights and all loop state after `samples` training samples of an arm."""

    arm_id: str
    samples: int
    path: str
    weights_sha256: str
    created_at: datetime


class Evaluation(Value):
    """The metric of an arm after `samples` training samples.

    The joules spent until then are not stored: they are read off the ledger at `at`.
    """

    arm_id: str
    samples: int
    metric: float  # on the test set where there is one, else on the dev set; in [0, 1]
    dev_metric: float | None = None
    at: datetime


# --- samples and questions ----------------------------------------------------------------------


class SampleView(Value):
    """A sample as people see it; made by the task, turned into a card by `bot.cards`."""

    sample_id: str
    title: str = ""  # the question's object in short, e.g. the given label
    text: str = ""
    label: str | None = None
    image_path: str | None = None
    parts: tuple[tuple[str, str], ...] = ()  # named parts, e.g. (("A", "..."), ("B", "..."))
    image_side: int = 0  # px of the picture's longer side; 0 where there is none
    stands_for: int = 1  # size of the group of (near-)duplicates it speaks for


class Sample(Value):
    """A pool sample that people were asked about."""

    sample_id: str  # "<data_id>:<external_id>"
    run_id: str
    view: dict[str, Any]


class Choice(Value):
    """One answer on a card, and all the ways to give it."""

    id: str
    label: str
    value: float | None  # in [-1, 1]; None abstains
    emoji: tuple[str, ...] = ()  # canonical names, e.g. ("up", "fire")
    names: str | None = None  # on 'which of these?': the label, or side, it stands for, whole


class SubjectKind(StrEnum):
    """What a vote on a card can be about."""

    SAMPLE = "sample"
    FEATURE = "feature"
    GENERATION = "generation"  # an answer of the model as it stands; never trained on


WHOLE_CARD = "card"
"""What an answer is about that speaks of no one thing on a card."""


class Subject(Value):
    """One thing on a card that gets votes; its key is unique on the card.

    Votes on a sample carry `key`; a better label for it `<key>.label`; keywords and descriptions
    of a label `words.<label>` and `about.<label>`; who cannot tell what matters, or finds the card
    bad, says so of `WHOLE_CARD`.
    """

    key: str  # "1".."12" for samples, "A".."L" for features
    kind: SubjectKind
    target: str  # sample_id, or the feature's own spelling
    label: str | None = None  # the given label, or the class the feature speaks for
    role: Literal["ask", "audit", "gold", "repeat"] = "ask"
    truth: float | None = None  # gold only, never shown: does `label` fit?
    believed: float | None = None  # P(`label` fits) before anybody was asked, never shown


class RoundState(StrEnum):
    """Where a round of questions stands."""

    OPEN = "open"
    CLOSING = "closing"
    CLOSED = "closed"


class Round(Value):
    """The questions of one pause, with one deadline, one quorum and one stated default."""

    round_id: str  # "<arm_id>.q<n>"
    arm_id: str
    run_id: str
    n: int
    state: RoundState
    opened_at: datetime
    closes_at: datetime
    quorum: int  # votes per card that end the round before the deadline
    closing_at: datetime | None = None  # what came in later does not count
    closed_at: datetime | None = None
    closed_by: str = ""  # "quorum", "deadline", or what befell the run
    outcome: dict[str, Any] | None = None  # tally and agreement at close


Ask = Literal["fits", "which", "prefer", "importance", "happy"]
"""What a card asks: does the label fit (is an answer worth learning from), which label, which side,
what matters, does an answer of the model please."""


class Ballot(Value):
    """One question, posted as one card on one or several platforms."""

    ballot_id: str  # "<round_id>.<n>"
    round_id: str
    run_id: str
    ask: Ask
    subjects: tuple[Subject, ...]  # 1 to 12
    choices: tuple[Choice, ...]
    labels: tuple[str, ...] = ()  # closed vocabulary of `label: X`; but on sides also of
    # `words X:` and `about X:`
    is_blind: bool = False
    view: dict[str, Any]  # what the card shows: SampleView, SheetView or FeatureView as JSON

    @property
    def is_sheet(self) -> bool:
        """Whether it asks about several pictures at once, which do not fit?"""
        return self.ask == "fits" and len(self.subjects) > 1

    @property
    def shows_pictures(self) -> bool:
        """Whether what it asks about is seen, not read."""
        return any(self.view.get(key) for key in ("image_path", "pictures", "grid"))

    @property
    def cards(self) -> int:
        """What it costs people, in cards: a picture on a sheet is answered like one of its own."""
        return len(self.subjects) if self.is_sheet else 1


class SheetView(Value):
    """Several pictures that are filed under one label, drawn as one with their numbers."""

    label: str
    pictures: tuple[SampleView, ...]  # as the ballot's subjects: number 1 first
    sheet_path: str  # where the bot draws them, before its card goes out


class FeatureView(Value):
    """The features a class leans on, as people see them: words, or cells of its pictures."""

    label: str
    features: tuple[str, ...]
    shares: tuple[float, ...]  # share of the class's attribution, in [0, 1], same order
    examples: tuple[str, ...] = ()
    image_paths: tuple[str, ...] = ()  # pictures that the cells are shown on
    grid: int = Field(default=0, ge=0, le=8)  # cells per side, from A1, top left; 0: words
    sheet_path: str = ""  # where the bot draws them under a grid; set once they are asked about


# --- votes --------------------------------------------------------------------------------------


class VoteOp(StrEnum):
    """Whether a mark appeared or went."""

    CAST = "cast"
    WITHDRAWN = "withdrawn"


VoteSource = Literal["event", "snapshot", "undo"]
"""Who says so: the platform when it happened, the platform when asked, or a command. What a command
took back may still stand on the platform; it stays taken back until the person changes it there.
"""


class VoteEvent(Value):
    """A mark of one person on one subject of a card appeared or went. Never changed, never deleted.

    `mark` names the thing that stands on the platform by its raw spelling (`r:+1::skin-tone-4`,
    `reply:<id>`, `button`, `form`), so taking back one of two thumbs keeps the other. What is said
    of the rest of a card (`is_rest`) is a mark on each of its subjects; it gives way to all that
    the same person says of one of them, whichever came first.
    """

    ballot_id: str
    voter: str  # member_id, e.g. "slack:U012"
    subject: str
    mark: str
    op: VoteOp
    value: float | None = Field(default=None, ge=-1, le=1)
    answer: str | None = None  # choice id, label, keywords or sentence, as the subject asks
    weight: float = 1.0
    via: str  # reaction | button | form | reply
    at: datetime  # on the platform's clock where it has one
    received_at: datetime
    source: VoteSource = "event"
    inbox_id: int | None = None
    is_rest: bool = False
    is_late: bool = False  # after the ballot closed: kept, not counted

    @property
    def is_undone(self) -> bool:
        """Whether this takes a mark back that may still stand on the platform."""
        return self.op is VoteOp.WITHDRAWN and self.source == "undo"


class Vote(Value):
    """The current vote of one person on one subject: a row of the view `current_vote`."""

    ballot_id: str
    person: str
    voter: str
    subject: str
    value: float | None
    answer: str | None
    weight: float
    via: str
    mark: str
    at: datetime


class Member(Value):
    """Somebody in the chat. `person_id` joins the accounts of one person."""

    member_id: str  # "<platform>:<user>"
    person_id: str
    name: str = ""
    is_simulated: bool = False
    opted_out_at: datetime | None = None  # since when they are neither reminded nor named
    leaves_at: datetime | None = None  # when they asked to be forgotten
    timezone: str | None = None  # IANA name; None = the team's
    locale: str | None = None  # how times are written for them, e.g. de_AT; None = as for all
    clock_set_at: datetime | None = (
        None  # when they said so; None = both are as their platform says
    )


# --- chat traffic -------------------------------------------------------------------------------


class InboxEvent(Value):
    """An event as it was committed before it was acknowledged."""

    id: int
    platform: str
    event_id: str
    payload: dict[str, Any]
    received_at: datetime


class OutboxKind(StrEnum):
    """What an outbox row asks a platform to do."""

    POST = "post"
    EDIT = "edit"
    SAY = "say"
    WHISPER = "whisper"


class OutboxItem(Value):
    """Something to be said, exactly once, in order per channel."""

    key: str  # idempotency key
    platform: str
    channel: str
    kind: OutboxKind
    target: str | None = None  # key of the post that is edited or replied to; a user for whispers
    payload: dict[str, Any]
    run_id: str | None = None
    ballot_id: str | None = None


class ClaimedItem(OutboxItem):
    """An outbox item handed to the sender."""

    id: int
    version: int
    attempts: int  # 1 = first; more: look on the platform before posting again
    target_ref: str | None = None


Role = Literal["admin", "operator", "voter"]


class Grant(Value):
    """A role that an admin gave somebody in chat, beside the lists in the settings."""

    member_id: str  # a member, a pattern such as web:*, or a group such as slack:S012
    role: Role
    granted_by: str
    at: datetime


Verbosity = Literal["quiet", "normal", "all"]
"""How much a channel hears; `bot.noise` says what each means."""


class Posting(Value):
    """Where something stands on a platform."""

    key: str  # the outbox key it was posted under
    platform: str
    channel: str
    ref: str
    run_id: str | None = None
    ballot_id: str | None = None
    posted_at: datetime | None = None  # by our clock; None: from before this was kept


# --- energy -------------------------------------------------------------------------------------

Phase = Literal["load", "train", "evaluate", "score", "checkpoint", "wait", "bot", "other"]
PHASES: tuple[Phase, ...] = (
    "load", "train", "evaluate", "score", "checkpoint", "wait", "bot", "other",
)  # fmt: skip

Provenance = Literal["M-ctr", "M-pow", "M-rapl", "A", "E-tdp", "E-const", "E-gap"]

PROVENANCE_WORDS: Mapping[str, str] = {
    "M-ctr": "measured, energy counter",
    "M-pow": "measured, power polled",
    "M-rapl": "measured, RAPL counter",
    "A": "attributed share of a measured total",
    "E-tdp": "estimated, CPU time x watts per core",
    "E-const": "estimated, constant",
    "E-gap": "estimated, gap filled after a crash",
}


class EnergyReading(Value):
    """The joules of one source over one slice of time that lies in one phase of one arm."""

    run_id: str | None  # None: the bot itself, no run in particular
    arm: str | None
    segment_id: str | None
    phase: str
    device: str  # "GPU-<uuid>", "cpu-package-0", "cpu-estimate", "ram"
    source: str
    provenance: str
    boot_id: str
    seq: int  # with boot_id, source and device the natural key
    started_at: datetime
    ended_at: datetime
    duration_s: float
    energy_j: float | None  # None: not known, with the reason in `note`; never 0 for "unknown"
    note: str = ""


class EnergySum(Value):
    """The joules of one source in one phase of one arm, added up."""

    arm: str | None
    phase: str
    device: str
    source: str
    provenance: str
    energy_j: float  # of what is known
    duration_s: float
    unknown_s: float = 0.0  # seconds that could not be read; their joules are missing


class EnergyMinute(Value):
    """The joules of one source in one phase of one arm within one minute: kept as rows come in.

    What a summary of days is made of; readings older than two days are folded into these.
    """

    minute: datetime  # its start
    run_id: str  # "": no run in particular
    arm: str  # "": no arm in particular
    phase: str
    device: str
    source: str
    provenance: str
    energy_j: float  # of what is known
    duration_s: float
    unknown_s: float = 0.0
    note: str = ""  # the latest reason for a gap or an anomaly


class EnergyCounter(Value):
    """Where a cumulative counter stood when it was last booked: what a crash missed is told by it."""

    boot_id: str
    source: str
    device: str
    value_j: float
    at: datetime
    clock_s: float  # since boot, sleep included


class EnergyBaseline(Value):
    """What a device draws with nothing of ours on it, seen before a run."""

    run_id: str
    source: str
    device: str
    power_w: float  # median
    sd_w: float
    window_s: float
    at: datetime

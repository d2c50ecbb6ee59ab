"""A segment of training as plain data: a plan in, a report out, both JSON on disk.

The bot writes the plan and reads the report; the child (`trainer.worker`) does the reverse. With
its plan and its checkpoint a segment can be repeated anywhere, without people.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storage.models import FeatureView, SampleView
from trainer.files import write_whole
from trainer.spec import RunSpec


class SegmentError(Exception):
    """A plan or a report cannot be read."""


class Refusal(Exception):  # noqa: N818 -- reads as what happened
    """The input cannot be trained on; the text is one plain sentence with the remedy."""


class _Plain(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Paper(_Plain):
    """A value that is kept as a JSON file, replaced atomically."""

    def write(self, path: Path) -> None:
        """Write it whole or not at all.

        Raises:
            OSError: the disk is full or the folder is gone; an older file stays whole.
        """
        write_whole(path, self.model_dump_json(indent=1))

    @classmethod
    def read(cls, path: Path) -> Self:
        """The value at `path`.

        Raises:
            SegmentError: the file is missing or not what it should be.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError) as err:
            raise SegmentError(f"cannot read {path}: {err}") from err


class SampleOpinion(_Plain):
    """What the team thinks of one pool sample, after aggregation."""

    sample_id: str
    keep: float | None = Field(ge=0, le=1)  # posterior that the sample is worth learning from
    votes: int
    relabel: str | None = None  # the label the team gave instead
    labels: tuple[tuple[str, float], ...] = ()  # posterior of labels people chose from or named;
    # what is missing to 1 belongs to labels nobody named, or to none at all


class FeatureOpinion(_Plain):
    """What the team thinks of one feature of one label, after aggregation."""

    label: str
    feature: str
    value: float = Field(ge=-1, le=1)  # -1 misleads, 0 does not matter, 1 matters most
    votes: int


class Leaning(FeatureOpinion):
    """How much the trained model leans on a feature that people spoke of."""

    share: float  # of its label's attribution, in [0, 1]


class LabelWords(_Plain):
    """What people wrote about a label: keywords or a sentence."""

    label: str
    words: tuple[str, ...]


class Opinions(_Plain):
    """Everything the team has said so far, as the trainer needs it."""

    samples: tuple[SampleOpinion, ...] = ()
    features: tuple[FeatureOpinion, ...] = ()
    words: tuple[LabelWords, ...] = ()


class Questions(_Plain):
    """How many cards the next round may have, and what was asked before."""

    cards: int
    feature_cards: int
    asked: tuple[str, ...] = ()  # sample_ids that already stood on a card
    asked_features: tuple[tuple[str, str], ...] = ()  # (label, feature) on a card before
    gold_share: float = Field(0.1, ge=0, le=1)
    audit_share: float = Field(0.15, ge=0, le=1)


class SegmentPlan(_Paper):
    """Everything a child needs to train from one pause to the next."""

    run_id: str
    arm: str
    segment: int
    attempt: int
    lease_token: str
    spec: RunSpec
    seed: int
    folder: str  # of this attempt: plan, report, log
    arm_folder: str  # of the arm: cache and checkpoints
    checkpoint: str | None  # to go on from; None = from the start
    until: float = Field(ge=0, le=1)  # share of the arm's planned samples; 0 = prepare only
    opinions: Opinions = Opinions()
    questions: Questions | None = None  # asked at the end of the segment; None = ask nothing
    cuda_device: str | None = None  # UUID, set before CUDA starts

    @property
    def report_path(self) -> Path:
        """Where the child leaves its report."""
        return Path(self.folder) / "report.json"

    @property
    def stop_path(self) -> Path:
        """A file the bot creates to ask for an early checkpoint; read before every step."""
        return Path(self.folder) / "stop"


class Candidate(_Plain):
    """A sample worth asking people about."""

    view: SampleView
    role: Literal["ask", "audit", "gold", "repeat"]
    truth: float | None = None  # gold only: the answer we are sure of
    keep: float | None = None  # the model's own guess; never shown before the vote
    is_telling: bool = False  # whether that guess rests on what labels are called
    options: tuple[str, ...] = ()  # labels to choose from; empty: does the given label fit?


class EvaluationPoint(_Plain):
    """The metric after `samples` training samples."""

    samples: int
    metric: float
    dev_metric: float | None
    loss: float | None  # running training loss, nats
    at: datetime
    cpu_s: float = 0.0  # of this segment until then, loading and evaluations left out
    forwards: float = 0.0  # of this segment until then; a trained sample counts 2.2
    tokens: int = 0  # trained on in this segment until then
    exact_match: float | None = None  # share of held-out answers the model would write itself


class SelectionReport(_Plain):
    """What the votes did to the pool."""

    pool: int
    kept: int
    dropped: int
    reweighted: int  # kept, with a weight that importance votes changed
    relabelled: int = 0
    votes: int = 0
    auc: float | None = None  # leave-one-out, on the votes; None below 8 votes or one-sided
    impurity: float | None = None  # expected share of dirt in what is trained on
    impurity_after: float | None = None  # the same, expected after another round of cards
    note: str = ""  # why the votes count for what was voted on alone, when they do
    undone: str = ""  # why the votes count for nothing, where they did harm
    is_unheard: bool = False  # label names alone serve the dev set surely better, and decide


class CheckpointReport(_Plain):
    """Where the loop's whole state lies after the segment."""

    path: str
    samples: int
    weights_sha256: str


class PhaseCost(_Plain):
    """What one phase cost by the child's own clocks; fills the ledger where no meter watched."""

    phase: str
    wall_s: float
    cpu_s: float


class SegmentReport(_Paper):
    """What came out of a segment."""

    run_id: str
    arm: str
    segment: int
    attempt: int
    lease_token: str
    outcome: Literal["done", "stopped", "refused"]
    message: str = ""  # refused: what is wrong with the input and what to do
    pool_size: int = 0
    planned_samples: int = 0
    labels: tuple[str, ...] = ()
    skipped: tuple[tuple[str, int, str], ...] = ()  # (reason, count, an example)
    checkpoint: CheckpointReport | None = None
    is_flat: bool = False  # it ended before its time, as nothing got better any more
    best_samples: int | None = None  # after how many samples the dev metric was best
    evaluations: tuple[EvaluationPoint, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    features: tuple[FeatureView, ...] = ()
    leanings: tuple[Leaning, ...] = ()  # of what people spoke of, at the end
    generations: tuple[SampleView, ...] = ()  # what the model answers by now to held-out prompts
    unsettled: tuple[str, ...] = ()  # labels in the order in which words about them are wanted
    selection: SelectionReport | None = None
    samples_trained: int = 0  # in this segment
    samples_scored: float = 0  # whole forwards that trained nothing, in this segment
    samples_evaluated: float = 0  # the part of them that only measured
    flops_estimate: float = 0.0
    costs: tuple[PhaseCost, ...] = ()
    started_at: datetime
    ended_at: datetime
    versions: dict[str, str] = {}

    @property
    def samples_needed(self) -> float:
        """Whole forwards that the arm needs, whether anybody measures it or not."""
        return self.samples_scored - self.samples_evaluated

    @classmethod
    def of(cls, plan: SegmentPlan, **found: Any) -> Self:
        """The report on a plan: what was found, under the plan's own marks."""
        return cls(
            run_id=plan.run_id,
            arm=plan.arm,
            segment=plan.segment,
            attempt=plan.attempt,
            lease_token=plan.lease_token,
            **found,
        )

"""The boundary between a task and the loop: all the loop, selection and chat know of a task."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from torch import Tensor, nn

from storage.models import FeatureView, SampleView
from trainer.data.samples import Splits
from trainer.guard import surely_worse
from trainer.marks import Marks
from trainer.segment import FeatureOpinion, Leaning
from trainer.selection import Selection
from trainer.signals import PoolView


@dataclass(frozen=True, slots=True)
class HeadStart:
    """How good a head start is on the dev set.

    Attributes:
        loss: mean over the dev set, in nats.
        is_right: bool (dev,), which of its samples are got right.
    """

    loss: float
    is_right: np.ndarray

    def is_surely_better_than(self, other: HeadStart) -> bool:
        """Whether chance alone would hardly ever make it so much better.

        Counts what only one of the two gets right: their losses would favour the more timid one.
        """
        return surely_worse(other.is_right, self.is_right)


def below(importance: float, opinions: Sequence[FeatureOpinion]) -> frozenset[str]:
    """The features people think less of, whatever labels they spoke of, in the mean over their votes.

    They are covered under all labels alike: else what covers them would tell the label. So what
    matters for one label is not covered because it does not for another.
    """
    total: dict[str, float] = defaultdict(float)
    votes: dict[str, float] = defaultdict(float)
    for o in opinions:
        total[o.feature] += o.votes * o.value
        votes[o.feature] += o.votes
    return frozenset(f for f in total if total[f] < importance * votes[f])


class Learner(Protocol):
    """A model with its data. Pool samples are named by their index in `splits.pool`."""

    splits: Splits
    lengths: np.ndarray
    """int64 (n,): cost of a sample in tokens or their like; batches are made of equal ones."""
    labels: np.ndarray
    """int64 (n,): the given class of every pool sample."""
    samples_scored: float
    """Forwards so far that trained nothing; a forward through half the layers counts half."""
    samples_evaluated: float
    """The part of them that went into evaluations."""
    flops: float
    """Floating-point operations so far, estimated from parameter and token counts."""

    first_look: int
    """How many samples of the pool are looked at before anything else."""
    offers_labels: bool
    """Whether people choose among the labels, rather than say whether the given one fits."""
    is_two_sided: bool
    """Whether of two labels one is right, so that a sample under the wrong one is worth turning."""
    thins: bool
    """Whether a sample that weighs less is seen less often, at full weight, rather than less."""
    sorted_together: int
    """Batches of a pass whose samples are sorted by length together: more of them pad less and mix
    less."""
    are_features_learnt: bool
    """Whether features are what the model has learnt; else they are the data's own."""
    dev_scores: np.ndarray
    """float (dev,): how well each dev sample was got when they were evaluated last; more is better."""
    exact_match: float | None
    """Share of the held-out answers evaluated last that it would write itself, word for word."""
    writes: bool
    """Whether it has answers of its own to show."""

    @property
    def is_covering(self) -> bool:
        """Whether votes on features change what is trained on, and what steers the run."""

    def prepare(self, first: np.ndarray, rows: np.ndarray, marks: Marks) -> None:
        """Compute what the frozen layers make of `rows`, unless it is known.

        `first` are the rows an arm began with: what is centred is centred on them for ever.
        """

    def group(self, rows: np.ndarray) -> np.ndarray:
        """For each of some rows the place among them of the first that says the same: int64 (r,)."""

    def view(self, rows: np.ndarray) -> PoolView:
        """What the vote model knows of some prepared rows."""

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        """What the frozen layers make of texts in no pool, as `view` has the pool: (m, d)."""

    def opinion(self, rows: np.ndarray) -> np.ndarray | None:
        """What the model as it stands thinks of some rows' labels: float (r, 3).

        None where it costs more than it tells.
        """

    def trainable(self) -> dict[str, dict[str, nn.Parameter]]:
        """Group (`lora` or `head`) -> name -> parameter of all that training moves."""

    def start(self, selection: Selection) -> HeadStart | None:
        """Set the head by frozen features of the selected samples and by label names.

        None where there is no head to set.
        """

    def set_out(self) -> None:
        """Put the model where training sets out from after the last `start`; may be worse at first."""

    def losses(self, index: np.ndarray, selection: Selection) -> Tensor:
        """Loss of each sample under the label it was given there: float32 (batch,), nats.

        With gradients, and not weighted.
        """

    def evaluate(self, split: Literal["dev", "test"]) -> float:
        """The task's metric on held-out data, in [0, 1]; higher is better."""

    def misses(self) -> np.ndarray | None:
        """How many dev samples of each class the model as it stands gets wrong: int64 (classes,).

        None where no class is learnt worse than another.
        """

    def generations(self, count: int) -> list[SampleView]:
        """What the model as it stands answers to some held-out prompts, the same ones each time."""

    def sample_view(self, index: int, label: int) -> SampleView:
        """A sample as people see it, shown with `label`."""

    def features(
        self, selection: Selection, n_cards: int, asked: Collection[tuple[str, str]] = ()
    ) -> list[FeatureView]:
        """What the model leans on, for the labels where people can help most.

        Nothing of `asked`, (label, feature) that stood on a card before.
        """

    def leanings(self, selection: Selection, opinions: Sequence[FeatureOpinion]) -> list[Leaning]:
        """What the model as it stands leans on, of what people spoke of.

        Nothing where features are the data's own.
        """

    def lean(self, opinions: Sequence[FeatureOpinion]) -> np.ndarray | None:
        """Weight factor per sample from importance votes: float (n,), 1 = neutral."""

"""What an arm knows of its pool, whom it believes, and hence what it trains on and asks about.

Only a chunk of the pool is embedded at first; more is, chunk by chunk, where that serves the dev
set.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

import numpy as np

from trainer.arms import ARMS, Case
from trainer.fates import Looked
from trainer.marks import Marks
from trainer.segment import Candidate, SampleOpinion, SegmentPlan, SelectionReport
from trainer.selection import (
    EVERYTHING,
    MIN_VOTES,
    UNHEARD,
    Selection,
    by_group,
    by_votes,
    first_quota,
    impurity_left,
    leaning,
    what_to_ask,
)
from trainer.signals import Array, signals, standardised
from trainer.surrogate import Evidence, VoteModel
from trainer.tasks.base import Learner

T = TypeVar("T")

UNDECIDED = 0.1
"""A posterior so near to one half says nothing."""
NEITHER = 0.5
"""Where both sides together are less probable, the pair is thrown out."""
HALF_A_MISS = 0.5
"""Nobody knows that a label is learnt for good from a few held-out samples (Jeffreys' prior)."""


class Desk:
    """The choices of one arm. Indices are the pool's, unless a name says `place`: in the chunk.

    Args:
        plan: what the arm is, and what people said.
        learner: the data and the model.
        marks: hears of progress.
    """

    def __init__(self, plan: SegmentPlan, learner: Learner, marks: Marks) -> None:
        self._plan, self._learner, self._marks = plan, learner, marks
        n = len(learner.splits.pool)
        self._number = {sample.sample_id: i for i, sample in enumerate(learner.splits.pool)}
        class_id = {label: i for i, label in enumerate(learner.splits.labels)}
        # samples and labels may be gone since people spoke of them
        known = [o for o in plan.opinions.samples if o.sample_id in self._number]
        self._voted = {self._number[o.sample_id]: o.keep for o in known if o.keep is not None}
        self._relabelled = {
            self._number[o.sample_id]: class_id[o.relabel] for o in known if o.relabel in class_id
        }
        self._out: dict[int, None] = {}
        if learner.is_two_sided:
            self._take_sides(known)
        self._order = np.random.default_rng([plan.seed, 5]).permutation(n)
        self._tuned: Array | None = None
        self.openings = 0
        self.undone = ""
        """Why what people said has no effect; empty while it has."""
        # without votes on samples all of them stay: the stated default
        is_unheard = plan.arm == "human" and not self._has_votes
        self._choose = ARMS["control"] if is_unheard else ARMS.get(plan.arm)
        self.first_rows = np.sort(self._order[: learner.first_look])
        self.embed(n if self._choose and plan.until > 0 else learner.first_look)

    def _take_sides(self, known: Sequence[SampleOpinion]) -> None:
        """Of two labels either is right, unless people say that none is: that tells of no other."""
        for said in known:
            i = self._number[said.sample_id]
            given = self._learner.splits.labels[self._learner.labels[i]]
            sides = dict(said.labels)
            if either := sum(sides.values()):
                self._voted[i] = sides.get(given, 0.0) / either
                if either < NEITHER:
                    self._out[i] = None
                    del self._voted[i]
        self._relabelled = {}  # the label follows from what is thought of the given one

    @property
    def _has_votes(self) -> bool:
        """Whether anybody said anything that was not contradicted."""
        return any(abs(keep - 0.5) > UNDECIDED for keep in self._voted.values())

    @property
    def opinions(self) -> str:
        """Equal for equal opinions."""
        return hashlib.sha256(self._plan.opinions.model_dump_json().encode()).hexdigest()[:16]

    @property
    def n_rows(self) -> int:
        """How many samples are embedded."""
        return len(self.rows)

    @property
    def tuned(self) -> Array | None:
        """What the model under training thinks of the samples: float (n, 3), nan where unknown."""
        return self._tuned

    def embed(self, count: int) -> None:
        """Look at the first `count` samples of the pool's seeded order."""
        self.rows = np.sort(self._order[:count])
        self._learner.prepare(self.first_rows, self.rows, self._marks)
        self._model: VoteModel | None = None

    def hear_model(self, tuned: Array) -> None:
        """Take the opinion of the model under training as one more hint."""
        self._tuned, self._model = tuned, None

    @property
    def model(self) -> VoteModel:
        """The model of the votes so far; without votes it speaks from label names."""
        if self._model is None:
            self._model = self._model_of(self._here(self._voted))
        return self._model

    def _model_of(self, voted: Mapping[int, float]) -> VoteModel:
        """The model of some votes on what is embedded."""
        view = self._learner.view(self.rows)
        x = signals(view)
        if self._tuned is not None:
            hint = np.nan_to_num(standardised_known(self._tuned[self.rows]))
            x = np.concatenate([x, hint], axis=1)
        said = by_group(voted, view.group)
        places, keep = list(said), list(said.values())
        return VoteModel(view, x, Evidence.of(np.array(places, dtype=np.int64), np.array(keep)))

    def _here(self, said: Mapping[int, T]) -> dict[int, T]:
        """What is said of samples that are embedded, by their place among these."""
        places = np.searchsorted(self.rows, list(said)) if said else ()
        return {
            int(place): value
            for place, (i, value) in zip(places, said.items(), strict=True)
            if place < len(self.rows) and self.rows[place] == i
        }

    # --- what to train on -----------------------------------------------------------------------

    def select(self) -> Selection:
        """What the arm trains on; over the whole pool, nothing of what is not embedded."""
        opinions = self._plan.opinions
        if self.undone:
            return self._spread(ARMS["control"](self._case()))
        lean = self._learner.lean(opinions.features)
        if self._choose is not None:
            tilt = lean if self._plan.arm == "human" else None
            return leaning(self._spread(self._choose(self._case())), tilt)
        if self.openings == UNHEARD:
            return self._spread(by_votes(self._model_of({}), voted={}, relabelled={}))
        chosen = by_votes(
            self.model,
            voted=self._here(self._voted),
            relabelled=self._here(self._relabelled),
            openings=self.openings,
            out=tuple(self._here(self._out)),
            is_two_sided=self._learner.is_two_sided,
        )
        is_little = 0 < len(self._voted) < MIN_VOTES
        if (chosen.note or is_little) and self.can_grow() and self._plan.until > 0:
            self.embed(len(self._order))  # not to be spread: the whole pool, as without votes
            return self.select()
        return leaning(self._spread(chosen), lean)

    def _case(self) -> Case:
        pool = self._learner.splits.pool
        is_right = np.array([pool[i].truth == pool[i].label for i in self.rows])
        rows, learner = self.rows, self._learner
        return Case(
            learner.labels[rows],
            learner.group(rows),
            lambda: learner.view(rows),
            is_right if self._learner.splits.has_truth else None,
            np.random.default_rng([self._plan.seed, 6]),
        )

    def _spread(self, chosen: Selection) -> Selection:
        """A selection among the embedded samples as one over the whole pool."""
        n = len(self._learner.splits.pool)
        weight, keep = np.zeros(n), np.full(n, 0.5)
        label = self._learner.labels.copy()
        weight[self.rows], keep[self.rows], label[self.rows] = (
            chosen.weight, chosen.keep, chosen.label,
        )  # fmt: skip
        return replace(chosen, weight=weight, keep=keep, label=label)

    def sample_by_sample(self, selection: Selection) -> dict[str, tuple[float, float, str]]:
        """(keep, weight, label) of every sample that was looked at, by its id."""
        splits = self._learner.splits
        return {
            splits.pool[i].sample_id: (
                round(float(selection.keep[i]), 4),
                round(float(selection.weight[i]), 4),
                splits.labels[selection.label[i]],
            )
            for i in self.rows
        }

    def looked_at(self) -> Looked:
        """The samples that were looked at, with what people said of them."""
        splits, rows = self._learner.splits, self.rows
        group, said = self._learner.group(rows), np.full(len(rows), np.nan)
        for first, keep in by_group(self._here(self._voted), group).items():
            said[group == first] = keep
        return Looked(
            rows=rows,
            ids=[splits.pool[i].sample_id for i in rows],
            names=splits.labels,
            given=self._learner.labels[rows],
            group=group,
            said=said,
            out=tuple(self._here(self._out)),
            is_two_sided=self._learner.is_two_sided,
        )

    def undo(self, why: str) -> None:
        """What people said does harm: from now on the whole pool is trained on, all samples alike."""
        self.undone = why
        self.embed(len(self._order))

    def can_grow(self) -> bool:
        """Whether there is more of the pool than was looked at."""
        return self.n_rows < len(self._order)

    def grow(self) -> None:
        """Look at twice as much of the pool."""
        self.embed(2 * self.n_rows)

    def openings_ahead(self) -> tuple[int, ...]:
        """What `openings` may become next: one more, or all; none where there is nothing to let in."""
        if self._choose is not None or self.undone or self.openings in (EVERYTHING, UNHEARD):
            return ()
        return tuple(n for n in (self.openings + 1, EVERYTHING) if self._lets_in_more(n))

    def may_go_by_names(self) -> bool:
        """Whether label names might decide alone, instead of the votes."""
        is_heard = self._choose is None and not self.undone and bool(self._voted)
        return is_heard and self.model.pool.names is not None and not self._learner.is_two_sided

    def _lets_in_more(self, openings: int) -> bool:
        before, kept = self.openings, self.select().weight > 0
        self.openings = openings
        more = bool(((self.select().weight > 0) & ~kept).any())
        self.openings = before
        return more

    def widen(self) -> bool:
        """Let in more, from more of the pool; False when there is nothing more to let in."""
        kept = self.select().weight > 0
        if self.can_grow():
            self.grow()
        ahead = self.openings_ahead()
        if ahead and ahead[0] != EVERYTHING:
            self.openings = ahead[0]
        return bool(((self.select().weight > 0) & ~kept).any())

    # --- what to ask ----------------------------------------------------------------------------

    def candidates(self, misses: Array | None = None) -> tuple[Candidate, ...]:
        """The samples the plan's questions are best spent on.

        Args:
            misses: int (classes,), held-out samples of each class that the model gets wrong; the
                more of them, the more is asked about the class.
        """
        plan, questions = self._plan, self._plan.questions
        assert questions is not None
        labels = self._learner.splits.labels
        shown = {self._number[i]: None for i in questions.asked if i in self._number}
        offers_labels = self._learner.offers_labels
        asked = what_to_ask(
            self.model,
            questions.cards,
            asked=list(self._here(shown)),
            audit_share=questions.audit_share,
            gold_share=questions.gold_share,
            rng=np.random.default_rng([plan.seed, 4, plan.segment]),
            swaps_gold=not offers_labels,
            stake=self._stake(misses),
        )
        keep = self.model.keep()
        groups = np.bincount(self.model.pool.group, minlength=len(keep))
        found = []
        for a in asked:
            view = self._learner.sample_view(int(self.rows[a.index]), a.label)
            many = int(groups[self.model.pool.group[a.index]])
            found.append(
                Candidate(
                    view=view.model_copy(update={"stands_for": many}),
                    role=a.role,
                    truth=a.truth,
                    keep=float(keep[a.index]),
                    is_telling=self.model.pool.names is not None and a.role != "gold",
                    options=labels if offers_labels else (),
                )
            )
        return tuple(found)

    def _stake(self, misses: Array | None) -> Array | None:
        """What there is to win at each sample: its share of what its label gets wrong."""
        if misses is None:
            return None
        label = self.model.pool.labels
        per_label = (misses + HALF_A_MISS) / np.maximum(
            np.bincount(label, minlength=len(misses)), 1
        )
        result: Array = per_label[label]
        return result

    def unsettled(self) -> tuple[str, ...]:
        """The labels of the task, those first whose surest samples are least sure."""
        keep, label = self.model.keep(), self.model.pool.labels
        quota = first_quota(keep, label)
        names = self._learner.splits.labels
        sure = np.zeros(len(names))
        for c in np.unique(label):
            sure[c] = np.sort(keep[label == c])[-quota:].mean()
        return tuple(names[c] for c in np.argsort(sure, kind="stable"))

    def report(self, selection: Selection) -> SelectionReport:
        """What the votes did to the pool."""
        kept = int((selection.weight > 0).sum())
        opinions, questions = self._plan.opinions, self._plan.questions
        after = None
        if questions is not None and selection.impurity is not None and self._has_votes:
            rng = np.random.default_rng([self._plan.seed, 7])
            after = selection.impurity * impurity_left(self.model, questions.cards, rng)
        return SelectionReport(
            pool=len(selection.weight),
            kept=kept,
            dropped=len(selection.weight) - kept,
            reweighted=selection.n_leaning,
            relabelled=self._n_relabelled(selection),
            votes=sum(o.votes for o in opinions.samples) + sum(o.votes for o in opinions.features),
            auc=selection.auc,
            note=selection.note,
            undone=self.undone,
            is_unheard=self.openings == UNHEARD,
            impurity=selection.impurity,
            impurity_after=after,
        )

    def _n_relabelled(self, selection: Selection) -> int:
        """Samples that are trained on under another label than the given one."""
        if not self._learner.is_two_sided:
            is_heard = not self.undone and self.openings != UNHEARD
            return len(self._relabelled) if is_heard else 0
        return int(((selection.label != self._learner.labels) & (selection.weight > 0)).sum())


def standardised_known(x: Array) -> Array:
    """Columns of mean 0 and standard deviation 1 over the rows that are known; nan elsewhere."""
    known = ~np.isnan(x).any(axis=1)
    result = np.full_like(x, np.nan)
    if known.any():
        result[known] = standardised(x[known])
    return result

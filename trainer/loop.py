"""One segment, read top to bottom: load, score, train, evaluate, checkpoint, choose what to ask."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from storage.models import FeatureView, SampleView
from trainer import checkpoint, compute, fates
from trainer.batches import batches_of
from trainer.data.read import read_splits
from trainer.data.samples import Splits
from trainer.desk import Desk
from trainer.files import write_whole
from trainer.guard import Guard
from trainer.marks import Marks
from trainer.progress import Progress
from trainer.sampler import Cursor
from trainer.segment import (
    Candidate,
    CheckpointReport,
    EvaluationPoint,
    Leaning,
    Refusal,
    SegmentPlan,
    SegmentReport,
    SelectionReport,
)
from trainer.selection import UNHEARD, Selection
from trainer.tasks.base import HeadStart, Learner
from trainer.tasks.registry import task_of

log = logging.getLogger(__name__)

EMA_DECAY = 0.97
GAIN = 0.02
"""What more data has to take off the dev loss of the head start, as a share, to be worth it."""
TRAIN_COST = 2.2
"""Forwards that training on a sample costs: forward, and backward to the activations alone."""
HARM = "since it the held-out samples are got surely worse, one evaluation after the other"
GENERATIONS = 3
"""Answers of the model that people see at a checkpoint."""
TRUTH_FILE = "truth.json"
DATA_FILE = "data.json"
TUNED, SCORES, BEFORE = "tuned", "scores", "before"
"""What a checkpoint keeps of samples: what its model thought of the pool's, and how the dev set's were
got when they were evaluated last, and before people spoke last."""
SELECTION_FILE = "selection.json"
"""Sample -> how sure we are of it, what it weighs in training, under which label."""


def train_segment(plan: SegmentPlan, marks: Marks, started_at: datetime) -> SegmentReport:
    """Carry out a plan: from its checkpoint to its pause.

    Raises:
        Refusal: data, model or checkpoint cannot be used.
        OSError: a checkpoint cannot be written.
    """
    torch.manual_seed(plan.seed)
    hardware = compute.set_up(plan.spec.train)
    task = task_of(plan.spec)
    model = task.load(plan.spec, plan.seed)
    marks.enter("score")
    splits = read_splits(plan.spec, plan.seed)
    folder = Path(plan.arm_folder)
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_other_data(folder, splits)
    _write_truth(folder, splits)
    learner = task.learner(plan.spec, splits, model, hardware, folder, plan.opinions)
    splits = learner.splits  # without what its model cannot read
    for reason, count, example in splits.skipped.rows():
        log.warning("left out of the data: %d x %s, e.g. %r", count, reason, example)
    desk = Desk(plan, learner, marks)
    loop = Loop(plan, learner, desk, marks)
    if plan.until > 0:
        loop.run()
    else:
        loop.was_stopped = plan.stop_path.exists()

    marks.enter("score")
    if plan.until > 0:
        write_whole(folder / SELECTION_FILE, json.dumps(desk.sample_by_sample(loop.selection)))
        fates.write(Path(plan.folder) / fates.FILE, desk.looked_at(), loop.selection)
    candidates: tuple[Candidate, ...] = ()
    features: tuple[FeatureView, ...] = ()
    generations: tuple[SampleView, ...] = ()
    leanings = loop.leanings() if plan.until == 1.0 else ()
    unsettled: tuple[str, ...] = ()
    if plan.questions is not None and not loop.was_stopped:
        candidates, unsettled = desk.candidates(loop.misses()), desk.unsettled()
        if plan.until > 0 or not learner.are_features_learnt:
            cards, known = plan.questions.feature_cards, plan.questions.asked_features
            features = tuple(learner.features(loop.selection, cards, known))
        if learner.writes and loop.samples > 0:
            marks.enter("evaluate")
            generations = loop.generations(GENERATIONS)
    return SegmentReport.of(
        plan,
        outcome="stopped" if loop.was_stopped else "done",
        pool_size=len(splits.pool),
        planned_samples=loop.planned,
        labels=splits.labels,
        skipped=splits.skipped.rows(),
        checkpoint=loop.saved,
        is_flat=loop.is_flat,
        best_samples=loop.progress.best_samples if loop.progress.best >= 0 else None,
        evaluations=tuple(loop.evaluations),
        candidates=candidates,
        features=features,
        leanings=leanings,
        generations=generations,
        unsettled=unsettled,
        selection=loop.selected,
        samples_trained=loop.samples - loop.samples_before,
        samples_scored=learner.samples_scored,
        samples_evaluated=learner.samples_evaluated,
        flops_estimate=learner.flops,
        costs=marks.costs(),
        started_at=started_at,
        ended_at=datetime.now(UTC),
        versions={name: version(name) for name in ("torch", "transformers", "peft", "numpy")},
    )


class Loop:
    """Training from a checkpoint to the next pause.

    Constant learning rate after the warm-up and an exponential moving average of the weights, so
    that a run may stop or be asked anything at any time. Deterministic: what a pause stores is all
    there is. Where the dev metric gets no better, or what was chosen was gone over as often as the
    plan goes over a whole pool, more samples are let in; where that does not help either, it ends.
    What it leaves is the best it had.
    """

    def __init__(self, plan: SegmentPlan, learner: Learner, desk: Desk, marks: Marks) -> None:
        self._plan, self._learner, self._desk, self._marks = plan, learner, desk, marks
        train = plan.spec.train
        self.planned = round(train.epochs * len(learner.splits.pool))
        self.target = round(plan.until * self.planned)
        groups = learner.trainable()
        self._weights = {
            f"{group}.{name}": parameter
            for group, members in groups.items()
            for name, parameter in members.items()
        }
        rates = {"lora": train.lora_lr, "head": train.head_lr}
        self._optimizer = torch.optim.AdamW(
            [
                {"params": list(members.values()), "lr": rates[group], "full_lr": rates[group]}
                for group, members in groups.items()
                if members
            ],
            weight_decay=train.weight_decay,
        )
        self._averages: dict[str, Tensor] = {}
        self._best: dict[str, Tensor] = {}
        self.samples = self._step = self._tokens = 0
        self.progress = Progress()
        self._loss: float | None = None
        self.evaluations: list[EvaluationPoint] = []
        self.saved: CheckpointReport | None = None
        self.was_stopped = self.is_flat = False
        self._is_all_in = False  # nothing more could be let in, whatever was looked at
        self._scores: np.ndarray | None = None  # of the dev samples, when they were evaluated last
        self._guard = Guard()
        self.selected: SelectionReport | None = None
        cursor = self._take_up() if plan.checkpoint is not None else None
        self.samples_before = self.samples
        self._take(desk.select(), cursor)

    def _take_up(self) -> Cursor:
        """Stand where the checkpoint stood."""
        desk = self._desk
        assert self._plan.checkpoint is not None
        state, seen = checkpoint.load(
            Path(self._plan.checkpoint),
            self._weights, self._averages, self._best, self._optimizer, list(self._weights),
        )  # fmt: skip
        self.samples, self._step, self.progress = state.samples, state.step, state.progress
        self._loss = state.loss
        desk.openings = state.openings
        self._scores = seen.get(SCORES)
        if state.rows > desk.n_rows:
            desk.embed(state.rows)
        if state.opinions == desk.opinions:
            desk.undone = state.undone
            self._guard = Guard(seen.get(BEFORE), state.worse)
            if TUNED in seen:
                desk.hear_model(seen[TUNED])
        else:  # people said something since: the model, too, is asked what it thinks by now
            # what the best weights lean on may be just what people said misleads
            is_void = self._learner.is_covering
            desk.openings = max(desk.openings, 0)  # they are heard again
            self.progress = Progress() if is_void else state.progress.afresh()
            self._guard = Guard(None if is_void else self._scores)
            self._ask_model()
        return state.cursor

    def _ask_model(self) -> None:
        """What the averaged model thinks of the samples that were looked at, for the desk."""
        with self._averaged():
            opinion = self._learner.opinion(self._desk.rows)
        if opinion is not None:
            found = np.full((len(self._learner.splits.pool), opinion.shape[1]), np.nan)
            found[self._desk.rows] = opinion
            self._desk.hear_model(found)

    def _take(self, selection: Selection, cursor: Cursor | None) -> None:
        """Train on this from now on."""
        self.selection = selection
        self._sampler = batches_of(self._plan, self._learner, selection, cursor, self._marks)
        self.selected = self._desk.report(selection)
        self._marks.selected(self._plan.segment, self.selected)

    def run(self) -> None:
        """Train until the plan's pause, or until a person asks to stop; then checkpoint."""
        if self.samples == 0:
            self._begin()
        else:
            self._go_on_or_end(is_learnt=False)  # it may have ended where it was left
        self._marks.enter("train")
        while self.samples < self.target and not self.was_stopped and not self.is_flat:
            before = self.samples
            self._train_step()
            if self._is_due(before):
                self._evaluate()
                self._guard = self._guard.after(self._learner.dev_scores)
                if self._guard.sees_harm:
                    self._undo()
                else:
                    passes = self._sampler.cursor.passes
                    self._go_on_or_end(is_learnt=passes >= self._plan.spec.train.epochs)
                self._marks.enter("train")
            self._marks.progress("training", self.samples, self.planned)
            self.was_stopped = self._plan.stop_path.exists()
        self._save()

    def misses(self) -> np.ndarray | None:
        """Dev samples of each class that are got wrong: (classes,); None while nothing is known."""
        if self.samples > 0:
            with self._averaged():
                return self._learner.misses()
        if self._plan.opinions.samples:  # else the first cards are an audit's, by lot
            self._learner.start(self.selection)
            return self._learner.misses()
        return None

    def leanings(self) -> tuple[Leaning, ...]:
        """What the averaged model leans on, of what people spoke of; nothing in other arms."""
        said = self._plan.opinions.features if self._plan.arm == "human" else ()
        if not said:
            return ()
        with self._averaged():
            return tuple(self._learner.leanings(self.selection, said))

    def generations(self, count: int) -> tuple[SampleView, ...]:
        """What the averaged model answers to held-out prompts."""
        with self._averaged():
            return tuple(self._learner.generations(count))

    def _begin(self) -> None:
        """The head start, where there is a head. It is the best there is for a while."""
        start = self._start()
        if start is not None:
            self._widen_start(start)
            self._learner.set_out()  # from further back
            self._averages = self._now()
        elif self._plan.arm == "human" and self._plan.opinions.samples:
            self._guard = Guard(self._scores)
        self.progress = self.progress.afresh()  # nothing was trained on yet

    def _widen_start(self, start: HeadStart) -> None:
        """The head start from as much of the pool and of each label as serves the dev set."""
        desk = self._desk
        before = math.inf
        while desk.can_grow() and start.loss < (1 - GAIN) * before:
            self._marks.enter("score")
            desk.grow()
            self._take(desk.select(), None)
            before, start = start.loss, self._started()
        ahead = desk.openings_ahead()
        if desk.may_go_by_names():  # votes that do harm are none
            ahead = (*ahead, UNHEARD)
        for openings in ahead:
            self._marks.enter("score")
            before_it, desk.openings = desk.openings, openings
            wider = self._learner.start(desk.select())
            if wider is not None and wider.is_surely_better_than(start):
                start = wider
            else:
                desk.openings = before_it
        if desk.openings:
            self._take(desk.select(), None)
            self._start()
        elif ahead:
            self._learner.start(self.selection)  # as before

    def _started(self) -> HeadStart:
        start = self._start()
        assert start is not None  # there was one before
        return start

    def _start(self) -> HeadStart | None:
        """The head start from what is selected, evaluated; the untrained model where there is none."""
        start = self._learner.start(self.selection)
        self._averages = self._now()
        self._evaluate()
        return start

    def _now(self) -> dict[str, Tensor]:
        """A copy of the weights as they are."""
        return {n: p.detach().clone() for n, p in self._weights.items()}

    def _go_on_or_end(self, *, is_learnt: bool) -> None:
        """Let in more samples where what was chosen is learnt, or nothing gets better; else then end."""
        is_flat = self.progress.is_flat(self._plan.spec.train.patience)
        if not is_flat and not is_learnt:
            return
        if not is_flat and self._is_all_in:
            return
        self._marks.enter("score")
        if self._desk.widen():
            self.progress = self.progress.afresh()
            self._take(self._desk.select(), self._sampler.cursor)
        else:
            self.is_flat, self._is_all_in = is_flat, not self._desk.can_grow()

    def _undo(self) -> None:
        """Votes did harm: on with the best weights there were and the whole pool, all samples alike."""
        self._marks.enter("score")
        self._desk.undo(HARM)
        self._guard = Guard()
        self._put(self._best)
        self._averages = self._now()
        self.progress = self.progress.afresh()
        self._take(self._desk.select(), self._sampler.cursor)

    def _train_step(self) -> None:
        self._step += 1
        for group in self._optimizer.param_groups:
            group["lr"] = group["full_lr"] * min(
                1.0, self._step / max(1, self._plan.spec.train.warmup_steps)
            )
        index, weight = self._sampler.next()
        losses = self._learner.losses(index, self.selection)
        loss = (losses * torch.from_numpy(weight).to(losses.device)).mean()
        self._sampler.hear(index, losses.detach().cpu().numpy())
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        limit = self._plan.spec.train.max_grad_norm
        nn.utils.clip_grad_norm_(self._weights.values(), limit)  # one odd batch undoes nothing
        self._optimizer.step()
        self.samples += len(index)
        self._tokens += int(self._learner.lengths[index].sum())
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Refusal(
                f"training diverged at sample {self.samples}: the loss is {value}; lower "
                "train.lora_lr and train.head_lr, then start a new run"
            )
        self._loss = value if self._loss is None else 0.9 * self._loss + 0.1 * value
        decay = min(EMA_DECAY, (1 + self._step) / (5 + self._step))
        with torch.no_grad():
            for name, parameter in self._weights.items():
                self._averages[name].lerp_(parameter, 1 - decay)
        if self._sampler.is_over:  # it left samples out: what was done is what was planned
            self.planned = self.target = self.samples

    def _is_due(self, before: int) -> bool:
        """Whether the samples since `before` crossed one of the evenly spaced evaluation points."""
        n = self._plan.spec.train.evaluations
        return self.samples * n // self.planned > before * n // self.planned

    def _evaluate(self) -> None:
        learner, marks = self._learner, self._marks
        spent_s, scored = marks.cpu_s("load", "evaluate"), learner.samples_scored
        forwards = scored - learner.samples_evaluated
        marks.enter("evaluate")
        with self._averaged():
            dev = learner.evaluate("dev")
            self._scores = learner.dev_scores
            metric = learner.evaluate("test") if learner.splits.test else dev
        is_better = dev > self.progress.best
        self.progress = self.progress.after(dev, self.samples)
        if is_better:
            self._best = {n: p.clone() for n, p in self._averages.items()}
        self.evaluations.append(
            EvaluationPoint(
                samples=self.samples,
                metric=metric,
                dev_metric=dev,
                loss=self._loss,
                at=datetime.now(UTC),
                cpu_s=spent_s,
                forwards=forwards + TRAIN_COST * (self.samples - self.samples_before),
                tokens=self._tokens,
                exact_match=learner.exact_match,
            )
        )
        marks.progress("training", self.samples, self.planned, metric)

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """The moving average of the weights in the place of the weights."""
        current = self._now()
        self._put(self._averages)
        try:
            yield
        finally:
            self._put(current)

    def _put(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, parameter in self._weights.items():
                parameter.copy_(values[name])

    def _save(self) -> None:
        self._marks.enter("checkpoint")
        desk = self._desk
        state = checkpoint.LoopState(
            self.samples, self._step, self._sampler.cursor,
            self.progress, desk.openings, desk.n_rows, desk.opinions, desk.undone,
            self._guard.worse, self._loss,
        )  # fmt: skip
        seen = {TUNED: desk.tuned, BEFORE: self._guard.before, SCORES: self._scores}
        self.saved = checkpoint.save(
            Path(self._plan.arm_folder) / "checkpoints",
            state,
            {n: p.detach() for n, p in self._weights.items()},
            self._averages,
            self._best,
            self._optimizer,
            list(self._weights),
            {name: values for name, values in seen.items() if values is not None},
        )


def _refuse_other_data(folder: Path, splits: Splits) -> None:
    """Votes name samples by id: under an id there has to stand what people were shown.

    Raises:
        Refusal: the data is not what this arm began with.
    """
    path, now = folder / DATA_FILE, json.dumps({"sha256": splits.digest()})
    if not path.exists():
        write_whole(path, now)
    elif path.read_text(encoding="utf-8") != now:
        raise Refusal(
            "the data changed since this run began, so its votes and its progress mean something "
            "else now; put the old data back and say resume, or start a new run"
        )


def _write_truth(folder: Path, splits: Splits) -> None:
    """What simulated voters vote by; nothing else ever reads it."""
    path = folder / TRUTH_FILE
    if splits.has_truth and not path.exists():
        write_whole(path, json.dumps({s.sample_id: s.truth for s in splits.pool}))

"""One segment, read top to bottom: load, score, train, evaluate, checkpoint, choose what to ask."""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from storage.models import FeatureView
from trainer import checkpoint, compute
from trainer.data.read import read_splits
from trainer.data.samples import Splits
from trainer.files import write_whole
from trainer.marks import Marks
from trainer.sampler import Sampler
from trainer.segment import (
    Candidate,
    CheckpointReport,
    EvaluationPoint,
    Refusal,
    SegmentPlan,
    SegmentReport,
    SelectionReport,
)
from trainer.selection import Selection, by_votes, leaning, what_to_ask, whole_pool
from trainer.surrogate import Evidence, VoteModel, signals
from trainer.tasks.base import Learner
from trainer.tasks.text_classification import TextClassification

log = logging.getLogger(__name__)

EMA_DECAY = 0.97
TRUTH_FILE = "truth.json"
DATA_FILE = "data.json"


def train_segment(plan: SegmentPlan, marks: Marks, started_at: datetime) -> SegmentReport:
    """Carry out a plan: from its checkpoint to its pause.

    Raises:
        Refusal: data, model or checkpoint cannot be used.
        OSError: a checkpoint cannot be written.
    """
    torch.manual_seed(plan.seed)
    hardware = compute.set_up(plan.spec.train)
    splits = read_splits(plan.spec, plan.seed)
    folder = Path(plan.arm_folder)
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_other_data(folder, splits)
    _write_truth(folder, splits)
    learner: Learner = TextClassification(plan.spec, splits, plan.seed, hardware)

    marks.enter("score")
    learner.prepare(folder, marks)
    model = _vote_model(plan, learner)
    selection = _select(plan, learner, model)
    selected = _selection_report(plan, selection)
    marks.selected(plan.segment, selected)

    loop = Loop(plan, learner, selection, marks)
    if plan.until > 0:
        loop.run()
    else:
        loop.was_stopped = plan.stop_path.exists()

    marks.enter("score")
    candidates: tuple[Candidate, ...] = ()
    features: tuple[FeatureView, ...] = ()
    if plan.questions is not None and not loop.was_stopped:
        candidates = _candidates(plan, learner, model)
        if plan.until > 0:
            features = tuple(learner.features(selection, plan.questions.feature_cards))
    return SegmentReport.of(
        plan,
        outcome="stopped" if loop.was_stopped else "done",
        pool_size=len(splits.pool),
        planned_samples=loop.planned,
        labels=splits.labels,
        skipped=splits.skipped.rows(),
        checkpoint=loop.saved,
        evaluations=tuple(loop.evaluations),
        candidates=candidates,
        features=features,
        selection=selected,
        samples_trained=loop.samples - loop.samples_before,
        samples_scored=learner.samples_scored,
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
    there is.
    """

    def __init__(
        self, plan: SegmentPlan, learner: Learner, selection: Selection, marks: Marks
    ) -> None:
        self._plan, self._learner, self._selection, self._marks = plan, learner, selection, marks
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
            ],
            weight_decay=train.weight_decay,
        )
        self._averages: dict[str, Tensor] = {}
        self.samples = self._step = 0
        cursor = None
        if plan.checkpoint is not None:
            state = checkpoint.load(
                Path(plan.checkpoint),
                self._weights,
                self._averages,
                self._optimizer,
                list(self._weights),
            )
            self.samples, self._step, cursor = state.samples, state.step, state.cursor
        self.samples_before = self.samples
        self._sampler = Sampler(
            np.flatnonzero(selection.weight > 0),
            learner.lengths,
            train.batch_size,
            plan.seed,
            cursor,
        )
        self._weight = torch.from_numpy(selection.weight).float()
        self._loss: float | None = None
        self.evaluations: list[EvaluationPoint] = []
        self.saved: CheckpointReport | None = None
        self.was_stopped = False

    def run(self) -> None:
        """Train until the plan's pause, or until a person asks to stop; then checkpoint."""
        if self.samples == 0:
            self._learner.start(self._selection)
            self._averages = {n: p.detach().clone() for n, p in self._weights.items()}
            self._evaluate()
        self._marks.enter("train")
        while self.samples < self.target and not self.was_stopped:
            before = self.samples
            self._train_step()
            if self._is_due(before):
                self._evaluate()
                self._marks.enter("train")
            self._marks.progress("training", self.samples, self.planned)
            self.was_stopped = self._plan.stop_path.exists()
        self._save()

    def _train_step(self) -> None:
        self._step += 1
        for group in self._optimizer.param_groups:
            group["lr"] = group["full_lr"] * min(
                1.0, self._step / max(1, self._plan.spec.train.warmup_steps)
            )
        index = self._sampler.next()
        losses = self._learner.losses(index, self._selection.label)
        loss = (losses * self._weight[index].to(losses.device)).mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.samples += len(index)
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

    def _is_due(self, before: int) -> bool:
        """Whether the samples since `before` crossed one of the evenly spaced evaluation points."""
        n = self._plan.spec.train.evaluations
        return self.samples * n // self.planned > before * n // self.planned

    def _evaluate(self) -> None:
        self._marks.enter("evaluate")
        learner = self._learner
        with torch.no_grad():
            current = {n: p.detach().clone() for n, p in self._weights.items()}
            for name, parameter in self._weights.items():
                parameter.copy_(self._averages[name])
            dev = learner.evaluate("dev")
            metric = learner.evaluate("test") if learner.splits.test else dev
            for name, parameter in self._weights.items():
                parameter.copy_(current[name])
        self.evaluations.append(
            EvaluationPoint(
                samples=self.samples,
                metric=metric,
                dev_metric=dev,
                loss=self._loss,
                at=datetime.now(UTC),
            )
        )
        self._marks.progress("training", self.samples, self.planned, metric)

    def _save(self) -> None:
        self._marks.enter("checkpoint")
        self.saved = checkpoint.save(
            Path(self._plan.arm_folder) / "checkpoints",
            checkpoint.LoopState(self.samples, self._step, self._sampler.cursor),
            {n: p.detach() for n, p in self._weights.items()},
            self._averages,
            self._optimizer,
            list(self._weights),
        )


def _vote_model(plan: SegmentPlan, learner: Learner) -> VoteModel:
    """The model of the votes so far; without votes it speaks from label names."""
    pool = learner.view()
    number = {sample.sample_id: i for i, sample in enumerate(learner.splits.pool)}
    voted = [(number[o.sample_id], o) for o in plan.opinions.samples if o.keep is not None]
    evidence = Evidence.of(
        np.array([i for i, _ in voted], dtype=np.int64),
        np.array([o.keep for _, o in voted], dtype=float),
    )
    return VoteModel(pool, signals(pool), evidence)


def _select(plan: SegmentPlan, learner: Learner, model: VoteModel) -> Selection:
    """What the arm trains on."""
    if plan.arm == "control":
        return whole_pool(model.pool)
    number = {sample.sample_id: i for i, sample in enumerate(learner.splits.pool)}
    class_id = {label: i for i, label in enumerate(learner.splits.labels)}
    opinions = plan.opinions.samples
    if plan.arm == "human" and not opinions:
        # the stated default: without votes on samples all of them stay
        return leaning(whole_pool(model.pool), learner.lean(plan.opinions.features))
    return by_votes(
        model,
        voted={number[o.sample_id]: o.keep for o in opinions if o.keep is not None},
        relabelled={number[o.sample_id]: class_id[o.relabel] for o in opinions if o.relabel},
        lean=learner.lean(plan.opinions.features),
    )


def _candidates(plan: SegmentPlan, learner: Learner, model: VoteModel) -> tuple[Candidate, ...]:
    questions = plan.questions
    assert questions is not None
    number = {sample.sample_id: i for i, sample in enumerate(learner.splits.pool)}
    asked = what_to_ask(
        model,
        questions.cards,
        asked=[number[i] for i in questions.asked if i in number],
        audit_share=questions.audit_share,
        gold_share=questions.gold_share,
        rng=np.random.default_rng([plan.seed, 4, plan.segment]),
    )
    keep = model.keep()
    return tuple(
        Candidate(
            view=learner.sample_view(a.index, a.label),
            role=a.role,
            truth=a.truth,
            keep=float(keep[a.index]),
        )
        for a in asked
    )


def _selection_report(plan: SegmentPlan, selection: Selection) -> SelectionReport:
    kept = int((selection.weight > 0).sum())
    return SelectionReport(
        pool=len(selection.weight),
        kept=kept,
        dropped=len(selection.weight) - kept,
        reweighted=selection.n_leaning,
        relabelled=sum(o.relabel is not None for o in plan.opinions.samples),
        votes=sum(o.votes for o in plan.opinions.samples)
        + sum(o.votes for o in plan.opinions.features),
        auc=selection.auc,
        note=selection.note,
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

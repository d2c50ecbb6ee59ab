"""Which samples to ask about, and which to train on. Pure numpy; randomness is an argument."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.special import expit, logit, ndtr

from trainer.signals import Array, PoolView
from trainer.surrogate import PROBIT_NOISE, VoteModel, auc, auc_slack

Role = Literal["ask", "audit", "gold", "repeat"]

CANDIDATES = 400
TARGETS = 1000
KEEP_THRESHOLD = 0.5
MIN_QUOTA = 8
"""Samples per label that training begins with at least, the surest first."""
FLOOR_SHARE = 0.75
"""Of a label's quota this share is taken even where nothing of it looks good: a label nobody can
judge is better learnt from its least bad samples than not at all."""
FLOOR_WEIGHT = 0.3
MIN_VOTES = 8
"""Votes below which they count for the voted samples alone."""
EVERYTHING = 99
"""Openings after which all is taken but what people said no to."""
UNHEARD = -1
"""In their place: as if nobody had said anything, by label names alone."""
CLEAN = 0.85
"""Where so much of a pool should be good, all of it is taken but for what looks bad."""
MIN_AUC = 0.65
"""Votes whose model ranks worse are not followed. Careless ones need less, see `_is_too_low`."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One sample to ask about, shown with `label`.

    For gold cards `truth` is the answer we are sure of: 1, or 0 where the label was swapped.
    """

    index: int
    label: int
    role: Role
    truth: float | None = None


def what_to_ask(
    model: VoteModel,
    n: int,
    *,
    asked: Sequence[int],
    audit_share: float,
    gold_share: float,
    rng: np.random.Generator,
    swaps_gold: bool = True,
    stake: Array | None = None,
) -> list[Asked]:
    """`n` samples: mostly those whose answers tell most about the rest, some random, some gold.

    `stake`, float (pool,), says how much it matters to know each sample; None = all alike.
    Never asks twice about a sample or its exact duplicate. Fewer than `n` when the pool is small.
    """
    pool = model.pool
    taken = {int(pool.group[i]) for i in asked}
    first = pool.group == np.arange(len(pool))
    free = np.array([i for i in np.flatnonzero(first) if int(i) not in taken], dtype=np.int64)
    n = min(n, len(free))
    # without names that say otherwise, what is filed in bulk under a wrong label agrees with itself
    n_gold = round(n * gold_share) if pool.names is not None else 0
    n_audit = min(round(n * audit_share), n - n_gold)
    gold = _gold(model, free, n_gold, rng, swaps_gold)
    free = np.setdiff1d(free, [g.index for g in gold])
    audit = rng.choice(free, size=min(n_audit, len(free)), replace=False)
    free = np.setdiff1d(free, audit)
    telling = _most_telling(model, free, n - len(gold) - len(audit), rng, stake)
    cards = [
        *gold,
        *(Asked(int(i), int(pool.labels[i]), "audit") for i in audit),
        *(Asked(i, int(pool.labels[i]), "ask") for i in telling),
    ]
    return [cards[i] for i in rng.permutation(len(cards))]  # gold must not stand out by its place


def _gold(
    model: VoteModel, free: Array, n: int, rng: np.random.Generator, swaps: bool
) -> list[Asked]:
    """Samples on which all signals agree, every other one shown with a wrong label if `swaps`.

    They cost nothing and tell careless voters from careful ones: who always says yes fails half.
    Where people choose among labels no label is shown, and so none is swapped.
    """
    if n == 0 or len(free) == 0:
        return []
    best = free[np.argsort(-model.x[free].min(axis=1))[: 8 * n]]
    gold = []
    for number, i in enumerate(rng.permutation(best)[:n]):
        label, truth = int(model.pool.labels[i]), 1.0
        if swaps and number % 2 == 0 and model.pool.n_classes > 1:
            others = np.delete(np.arange(model.pool.n_classes), label)
            label, truth = int(rng.choice(others)), 0.0
        gold.append(Asked(int(i), label, "gold", truth))
    return gold


def _most_telling(
    model: VoteModel, free: Array, n: int, rng: np.random.Generator, stake: Array | None
) -> list[int]:
    """Greedy variance reduction: each answer should settle as much of the undecided pool as it can.

    Picks j that maximises sum_i stake_i exp(-mu_i^2) C_ij^2 / (C_jj + noise) over random targets i, then
    conditions C on it and repeats (active learning by expected error reduction, Cohn et al. 1996).
    """
    candidates = rng.permutation(free)[:CANDIDATES]
    targets = rng.permutation(len(model.pool))[:TARGETS]
    at_stake = np.ones(len(targets)) if stake is None else stake[targets]
    picked, _ = _picks(model, candidates, targets, n, at_stake)
    return [int(candidates[j]) for j in picked]


def _picks(
    model: VoteModel, candidates: Array, targets: Array, n: int, stake: Array
) -> tuple[list[int], Array]:
    """(places of the picked candidates, variance each target loses by their answers)."""
    open_question = stake * np.exp(-(model.mean(targets) ** 2))
    cross = model.posterior_covariance(targets, candidates)
    among = model.posterior_covariance(candidates, candidates)
    picked: list[int] = []
    lost = np.zeros(len(targets))
    for _ in range(min(n, len(candidates))):
        noisy = np.diag(among) + PROBIT_NOISE
        gain = (open_question[:, None] * cross**2).sum(axis=0) / noisy
        gain[picked] = -np.inf
        j = int(np.argmax(gain))
        picked.append(j)
        lost += cross[:, j] ** 2 / noisy[j]
        cross = cross - np.outer(cross[:, j], among[j]) / noisy[j]
        among = among - np.outer(among[:, j], among[j]) / noisy[j]
    return picked, lost


def impurity_left(model: VoteModel, n: int, rng: np.random.Generator) -> float:
    """Which share of the dirt in what is kept `n` more answers should leave there, in [0, 1].

    The answers are not known yet: the score of every sample will move by a normal step of the
    variance it loses, and what then is too doubtful is not kept. Gauss-Hermite quadrature.

    Args:
        model: fitted on the votes so far.
        n: answers to come.
        rng: draws the samples that are looked at.
    """
    targets = rng.permutation(len(model.pool))[:TARGETS]
    candidates = rng.permutation(len(model.pool))[:CANDIDATES]
    _, lost = _picks(model, candidates, targets, n, np.ones(len(targets)))
    mean = model.mean(targets)
    variance = np.maximum(np.diag(model.posterior_covariance(targets, targets)), 1e-9)
    n_classes = model.pool.n_classes
    now = _dirt_in_kept(mean, variance, np.zeros_like(mean), n_classes)
    then = _dirt_in_kept(mean, variance, np.minimum(lost, variance), n_classes)
    return float(np.clip(then / now, 0.0, 1.0)) if now > 0 else 1.0


def _dirt_in_kept(mean: Array, variance: Array, lost: Array, n_classes: int) -> float:
    """Expected share of dirt in what is kept after scores moved by variance `lost`."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    moved = mean[:, None] + np.sqrt(lost)[:, None] * nodes
    good = ndtr(moved / np.sqrt(variance - lost + PROBIT_NOISE)[:, None])
    share = np.broadcast_to(weights / weights.sum(), good.shape)
    kept = (good > least_keep(good.ravel(), n_classes, share.ravel())) * share
    return float(((1 - good) * kept).sum() / max(kept.sum(), 1e-9))


@dataclass(frozen=True, slots=True)
class Selection:
    """What to train on.

    Attributes:
        weight: float (n,), 0 = set aside; mean 1 over the rest.
        keep: float (n,) in [0, 1], how sure we are that the sample is good.
        label: int64 (n,), the label to train on (relabelled where the team said so).
        auc: leave-one-out on the votes, None when it cannot be told.
        note: why the votes count for no other samples than those voted on; empty when they do.
        n_leaning: samples whose weight importance votes changed.
        impurity: expected share of dirt in what is trained on; None where nobody can tell.
        least: what is trained on is surer than this, but for a label's least bad samples.
    """

    weight: Array
    keep: Array
    label: Array
    auc: float | None = None
    note: str = ""
    n_leaning: int = 0
    impurity: float | None = None
    least: float = KEEP_THRESHOLD


def whole_pool(pool: PoolView) -> Selection:
    """Every sample alike, exact duplicates once."""
    return whole(pool.labels, pool.group)


def whole(labels: Array, group: Array) -> Selection:
    """Every sample alike, exact duplicates once.

    Args:
        labels: int64 (n,), as they were given.
        group: int64 (n,), place of the first sample that says the same.
    """
    first = (group == np.arange(len(group))).astype(float)
    return Selection(first, np.ones(len(group)), labels)


def by_votes(
    model: VoteModel,
    *,
    voted: Mapping[int, float],
    relabelled: Mapping[int, int],
    lean: Array | None = None,
    openings: int = 0,
    out: Sequence[int] = (),
    is_two_sided: bool = False,
) -> Selection:
    """The surest samples of every label, each weighted by how sure we are of it.

    As many per label as there should be good ones, so that no label crowds out another and none
    is lost; after every opening twice as many, of those that look good. Votes on a sample outrank the model, importance
    votes tilt the weights.

    Args:
        model: fitted on the votes; without any it speaks from label names alone.
        voted: sample -> posterior that it is good.
        relabelled: sample -> class id people gave it instead.
        lean: float (n,), factor from importance votes on the features a sample leans on.
        openings: how often more was let in, because the dev set was better served by it or training
            had learnt what it was given; `EVERYTHING` = nothing but people's own answers counts.
        out: samples that people threw out under whichever label.
        is_two_sided: of two labels one is right: where the given one probably is not, the other is.
            All such samples weigh the same; `keep` says how sure the label is that they got.
    """
    pool = model.pool
    score, note = model.leave_one_out_auc(), ""
    said: Array | None = model.keep()
    if score is not None and _is_too_low(score, model):
        note = f"they do not generalise (leave-one-out AUC {score:.2f}, too low)"
        said = _by_names(model)
        if said is not None:
            note += "; about the rest label names decide"
    if said is None or 0 < len(voted) < MIN_VOTES:
        said = np.ones(len(pool))  # they tell nothing of samples nobody was asked about
    keep, label = said, pool.labels.copy()
    heard = np.ones(len(pool))
    for group, q in by_group(voted, pool.group).items():
        keep[pool.group == group] = heard[pool.group == group] = q
    first = pool.group == np.arange(len(pool))
    usable = first & ~np.isin(pool.group, pool.group[list(out)])
    if is_two_sided:
        label = np.where(keep < 0.5, 1 - label, label)
        keep = np.maximum(keep, 1 - keep)
    else:
        usable &= _not_voted_out(voted, pool)
    for i, new in relabelled.items():
        label[i], keep[i], heard[i], usable[i] = new, 1.0, 1.0, True
    quota = first_quota(keep[first], label[first])
    place = _places(keep, label, usable)
    least = least_keep(keep[first], pool.n_classes)
    floor = place < FLOOR_SHARE * quota
    kept = usable & (floor | (place < quota * 2.0**openings) & (keep > least))
    sure = keep
    if openings == EVERYTHING:
        kept, sure = usable, heard
    if not kept.any():
        return replace(whole_pool(pool), auc=score, note="they leave nothing to train on")
    if is_two_sided:
        sure = np.ones(len(pool))
    weight = np.where(kept, np.maximum(sure, FLOOR_WEIGHT), 0.0)
    impurity = None if note else float(1 - keep[kept].mean())
    weight /= weight[kept].mean()
    chosen = Selection(weight, keep, label, score, note, impurity=impurity, least=least)
    return leaning(chosen, lean)


def _is_too_low(score: float, model: VoteModel) -> bool:
    """Whether votes rank too badly to be followed where nobody was asked.

    Where samples have labels it has to be surely bad: more than chance would make of a good one. Votes
    on prompts and pairs are turned down as soon as it is: nothing but this would show, before any
    training, that they tell little.

    Careless votes cannot deny much: who is right with probability a agrees with a good ranking, and
    with a bad one, only (2a - 1) times as clearly.
    """
    evidence = model.evidence
    clear = float(np.abs(2 * evidence.keep - 1).mean())
    slack = auc_slack(score, evidence.target > 0) if model.pool.hints is None else 0.0
    return score + slack < 0.5 + clear * (MIN_AUC - 0.5)


def _by_names(model: VoteModel) -> Array | None:
    """What label names say of every sample; None where they say nothing, or votes deny it."""
    if model.pool.names is None:
        return None
    keep = model.keep_unheard()
    score = auc(keep[model.evidence.index], model.evidence.target > 0)
    return None if score is None or _is_too_low(score, model) else keep


def by_group(voted: Mapping[int, float], group: Array) -> dict[int, float]:
    """First sample of each group of duplicates -> posterior that it is good, from all its members.

    The mean of their log-odds: what is said of one is said of all, in whatever order.

    Args:
        voted: sample -> posterior that it is good.
        group: int64 (n,), index of the first duplicate of each sample.
    """
    said: dict[int, list[float]] = {}
    for i in sorted(voted):
        said.setdefault(int(group[i]), []).append(voted[i])
    return {first: q[0] if len(q) == 1 else _middle(q) for first, q in said.items()}


def _middle(posteriors: Sequence[float]) -> float:
    sure = np.clip(posteriors, 1e-3, 1 - 1e-3)
    return float(expit(logit(sure).mean()))


def least_keep(keep: Array, n_classes: int, share: Array | None = None) -> float:
    """What is trained on is surer than this: one half, or less where too little were left.

    Of three labels and more even a doubted one is likelier than any other, so there as many samples
    are trained on as there should be good ones: who is cautious calls too few good.

    Args:
        keep: float (n,), how sure we are of each sample.
        n_classes: of the pool; answers are of one.
        share: float (n,), how many samples each stands for; None = one.
    """
    if n_classes < 3:
        return KEEP_THRESHOLD
    share = np.ones(len(keep)) if share is None else share
    order = np.argsort(keep, kind="stable")
    n_bad = float(((1 - keep) * share).sum())
    place = int(np.searchsorted(np.cumsum(share[order]), n_bad, side="right"))
    return min(KEEP_THRESHOLD, float(keep[order[place - 1]])) if place else KEEP_THRESHOLD


def first_quota(keep: Array, label: Array) -> int:
    """Samples per label to begin with: the good ones a label of the middle size should have.

    No bound where the pool is nearly clean.

    Args:
        keep: float (n,), how sure we are of each sample.
        label: int64 (n,), of each sample.
    """
    if len(label) == 0:
        return MIN_QUOTA
    share, sizes = float(keep.mean()), np.unique(label, return_counts=True)[1]
    middle = np.median(sizes) if share < CLEAN else sizes.max()
    return max(MIN_QUOTA, math.ceil(min(share / CLEAN, 1.0) * middle))


def _places(keep: Array, label: Array, usable: Array) -> Array:
    """Every sample's place among the usable ones of its label, surest first: int64 (n,)."""
    rows = np.flatnonzero(usable)
    places = np.full(len(keep), len(keep), dtype=np.int64)
    if len(rows) == 0:
        return places
    order = rows[np.lexsort((rows, -keep[rows], label[rows]))]
    starts = np.r_[0, np.flatnonzero(np.diff(label[order])) + 1]
    first_of_label = np.zeros(len(order), dtype=np.int64)
    first_of_label[starts] = starts
    places[order] = np.arange(len(order)) - np.maximum.accumulate(first_of_label)
    return places


def _not_voted_out(voted: Mapping[int, float], pool: PoolView) -> Array:
    """False for samples people said no to, and for their duplicates: bool (n,)."""
    out = [first for first, q in by_group(voted, pool.group).items() if q < KEEP_THRESHOLD]
    result: Array = ~np.isin(pool.group, np.array(out, dtype=np.int64))
    return result


def leaning(selection: Selection, lean: Array | None) -> Selection:
    """The selection with its weights tilted by importance votes; their mean stays 1.

    Args:
        selection: what is trained on.
        lean: float (n,), factor from importance votes on the features a sample leans on.
    """
    if lean is None:
        return selection
    kept = selection.weight > 0
    weight = selection.weight * lean
    n_leaning = int((kept & (lean != 1)).sum())
    return replace(selection, weight=weight / weight[kept].mean(), n_leaning=n_leaning)

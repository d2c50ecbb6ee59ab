"""What others would do without people, or with them but without training: the rivals to beat.

Numpy and scikit-learn on frozen embeddings and on losses the caller measured; randomness is an
argument. Needs `pip install 'joulery[bench]'`. Confident learning is written from its paper, since
the reference implementation's licence (AGPL) does not fit ours.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.linear_model import LogisticRegression

Array = np.ndarray

FOLDS = 3
NOISE_FINDER_C = 3.0
CLASSIFIER_C = 10.0
"""The best of 1 to 100 for whole `mix` pools, and within .01 of the best for their clean rows."""
MAX_ITERATIONS = 1000

REWARD_FOLDS, REWARD_C = 5, 1.0

Pruning = Literal["both", "joint"]


def confident_learning_keep(
    embeddings: Array, labels: Array, seed: int, prune: Pruning = "both"
) -> Array:
    """Which samples confident learning keeps: bool (n,).

    By `confidently_right` on out-of-sample probabilities from a 3-fold logistic regression.

    Args:
        embeddings: float32 (n, d), unit rows; exact duplicates would vouch for each other, so drop
            them first.
        labels: int (n,), class ids as given.
        seed: of the folds.
        prune: how; see there.
    """
    classes, given = np.unique(labels, return_inverse=True)
    p = _out_of_sample(embeddings, given, len(classes), np.random.default_rng(seed))
    return confidently_right(p, given, prune)


def confidently_right(p: Array, given: Array, prune: Pruning = "both") -> Array:
    """Which labels confident learning does not call errors: bool (n,).

    A sample is confidently of the likeliest class among those whose probability reaches that
    class's threshold, the mean self-confidence of the samples so labelled. Counting samples by
    label and confident class gives the confident joint. Source: Northcutt, Jiang and Chuang,
    Confident Learning, 1911.00068, sections 3.1 (the joint) and 3.2 (methods 2 and 5).

    Args:
        p: float (n, classes), out-of-sample probabilities.
        given: int (n,), labels; every class has one.
        prune: `joint` drops what is counted off the diagonal. `both`, C+NR, takes the joint as an
            estimate only, and drops what both of its readings single out: the least self-confident
            samples of each label, and for each pair of classes those nearest to the wrong one.
            `both` makes the stronger rival: trained on what it keeps, a classifier is 2 points
            better on our `mix` and `rand` pools.
    """
    believed = _confident_classes(p, given)
    if prune == "joint":
        is_error = (believed >= 0) & (believed != given)
    else:
        wrong = _estimated_errors(given, believed, p.shape[1])
        is_error = _least_confident(p, given, wrong) & _nearest_to_others(p, given, wrong)
    right: Array = ~is_error
    return right


def _confident_classes(p: Array, given: Array) -> Array:
    """The class each sample is confidently in, -1 where there is none: int64 (n,)."""
    size = np.bincount(given, minlength=p.shape[1])
    own = np.bincount(given, p[np.arange(len(given)), given], minlength=p.shape[1])
    confident = np.where((p >= own / size) & (p > 0), p, 0.0)
    believed: Array = np.where(confident.max(axis=1) > 0, confident.argmax(axis=1), -1)
    return believed


def _estimated_errors(given: Array, believed: Array, n_classes: int) -> Array:
    """Estimated samples labelled i that are of class j: float (classes, classes), 0 where i = j.

    The paper's calibrated joint times n. A label of whose samples none is confident has no errors.
    """
    counts = np.zeros((n_classes, n_classes))
    sure = believed >= 0
    np.add.at(counts, (given[sure], believed[sure]), 1)
    seen = counts.sum(axis=1, keepdims=True)
    size = np.bincount(given, minlength=n_classes)[:, None]
    joint: Array = np.divide(counts, seen, out=np.eye(n_classes), where=seen > 0) * size
    np.fill_diagonal(joint, 0.0)
    return joint


def _least_confident(p: Array, given: Array, wrong: Array) -> Array:
    """The samples least sure of their label, as many of each as are wrong: bool (n,)."""
    found = np.zeros(len(given), dtype=bool)
    for label, count in enumerate(np.rint(wrong.sum(axis=1)).astype(int)):
        members = np.flatnonzero(given == label)
        found[members[np.argsort(p[members, label], kind="stable")[:count]]] = True
    return found


def _nearest_to_others(p: Array, given: Array, wrong: Array) -> Array:
    """The samples likelier another class than their label by the most, as many as are: bool (n,)."""
    found = np.zeros(len(given), dtype=bool)
    counts = np.rint(wrong).astype(int)
    for label, other in np.argwhere(counts > 0):
        members = np.flatnonzero(given == label)
        margin = p[members, label] - p[members, other]
        found[members[np.argsort(margin, kind="stable")[: counts[label, other]]]] = True
    return found


def _out_of_sample(e: Array, y: Array, n_classes: int, rng: np.random.Generator) -> Array:
    """Probability of every class by a model that never saw the sample: float (n, classes)."""
    fold = np.empty(len(y), dtype=np.int64)
    for c in range(n_classes):
        members = rng.permutation(np.flatnonzero(y == c))
        # starting anywhere, or small classes would all lie in the first fold
        fold[members] = (np.arange(len(members)) + rng.integers(FOLDS)) % FOLDS
    p = np.zeros((len(y), n_classes))
    for k in range(FOLDS):
        out = fold == k
        if 0 < out.sum() < len(y):
            p[out] = _probabilities(_fit(e[~out], y[~out], NOISE_FINDER_C), e[out], n_classes)
    return p


def logistic_regression(
    embeddings: Array, labels: Array, weight: Array, test_embeddings: Array, test_labels: Array
) -> float:
    """Test accuracy, in [0, 1], of a logistic regression on frozen embeddings: no training at all.

    Args:
        embeddings: float32 (n, d), unit rows.
        labels: int (n,), class ids.
        weight: float (n,), not negative; samples of weight 0 are left out.
        test_embeddings: float32 (m, d), unit rows.
        test_labels: int (m,), class ids.

    Raises:
        ValueError: no sample has any weight.
    """
    used = weight > 0
    if not used.any():
        raise ValueError("all weights are 0: there is nothing to learn from")
    model = _fit(embeddings[used], labels[used], CLASSIFIER_C, weight[used])
    return float((model.predict(test_embeddings) == test_labels).mean())


def _fit(
    e: Array, y: Array, c: float, weight: Array | None = None
) -> LogisticRegression | _OneClass:
    if (y == y[0]).all():
        return _OneClass(int(y[0]))
    model = LogisticRegression(C=c, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        # one exemplar of each class is meant
        warnings.filterwarnings("ignore", "The number of unique classes is greater", UserWarning)
        fitted: LogisticRegression = model.fit(e, y, sample_weight=weight)
    return fitted


def _probabilities(model: LogisticRegression | _OneClass, e: Array, n_classes: int) -> Array:
    """Probability of every class, 0 for classes the model has never seen: float (n, classes)."""
    p = np.zeros((len(e), n_classes))
    p[:, model.classes_] = model.predict_proba(e)
    return p


class _OneClass:
    """What is left of a classifier when all it saw was one class; scikit-learn refuses that."""

    def __init__(self, label: int) -> None:
        self.classes_ = np.array([label])

    def predict(self, e: Array) -> Array:
        """That class: int (n,)."""
        return np.full(len(e), self.classes_[0])

    def predict_proba(self, e: Array) -> Array:
        """Certainty: float (n, 1)."""
        return np.ones((len(e), 1))


def called_otherwise(better: Array, rng: np.random.Generator) -> Array:
    """Which pairs a reward model, trained on all the others, would file the other way round: bool (n,).

    The reward is linear in what is known of an answer, so that the odds of a pair are linear in the
    difference between its two (Bradley and Terry 1952): logistic regression without an intercept, as
    either answer might stand first. Of five folds each is judged by a model of the other four.

    Args:
        better: float (n, d), of each pair what is known of the answer that is filed as better, less
            the same of the other one.
        rng: draws the folds.
    """
    fold = rng.permutation(len(better)) % REWARD_FOLDS
    found = np.zeros(len(better), dtype=bool)
    for k in range(REWARD_FOLDS):
        out = fold == k
        known = better[~out]
        if len(known) == 0:
            continue
        model = LogisticRegression(C=REWARD_C, fit_intercept=False, max_iter=MAX_ITERATIONS)
        both = np.concatenate([known, -known])
        model.fit(both, np.repeat([1, 0], len(known)))
        found[out] = model.decision_function(better[out]) < 0 if out.any() else False
    return found


@dataclass(frozen=True, slots=True)
class InfoBatch:
    """Drops some well-learnt samples each epoch and weighs the rest of them up, without bias.

    Of the samples whose last loss lies below the mean a random share is left out of the next epoch
    and the others of them count 1 / (1 - share); so the expected gradient is that of the whole
    pool. The last part of the training leaves nothing out, against the variance this adds. Source:
    Qin et al., InfoBatch, 2303.04947 (ICLR 2024), section 2 (share r = .5, delta = .875).

    Attributes:
        epochs: passes over the pool in the whole training; the last may be a part of one.
        share: of the below-mean samples that an epoch leaves out, in [0, 1).
        delta: share of the training after which nothing is left out, in [0, 1].
    """

    epochs: float
    share: float = 0.5
    delta: float = 0.875

    def epoch(self, number: int, losses: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """What an epoch trains on: (order, weight).

        The paper ends whole epochs early; with few of them the last 12.5 % are a part of one. So
        where the end of dropping falls inside the epoch, that part of the pool, drawn at random, is
        kept whole and stands at the end of the order.

        Args:
            number: of the epoch, from 0.
            losses: float (n,), each sample's last loss; NaN where there is none, which keeps it.
            rng: draws what is left out and the order.

        Returns:
            int64 (k,), samples in training order, and float (n,), the factor of each sample's loss:
            1, 1 / (1 - share), or 0 for what is left out. Batches average factor times loss over
            their size.
        """
        n = len(losses)
        order = rng.permutation(n)
        dropping = round(n * min(1.0, max(0.0, self.epochs * self.delta - number)))
        low = np.zeros(n, dtype=bool)
        if np.isfinite(losses).any():
            low = losses < np.nanmean(losses)  # False for NaN
        learnt = order[:dropping][low[order[:dropping]]]
        dropped = rng.permutation(learnt)[: round(self.share * len(learnt))]
        weight = np.ones(n)
        weight[learnt] = 1 / (1 - self.share)
        weight[dropped] = 0.0
        return order[weight[order] > 0], weight


def rho_choice(losses: Array, irreducible: Array, k: int) -> Array:
    """The `k` candidates most worth a step: int64 (k,), their places in the batch, best first.

    They have the largest reducible loss: high for the model as it is, low for one that knows only
    clean data; so neither what is learnt, nor what is wrong, nor what is off topic. Source:
    Mindermann et al., RHO-LOSS, 2206.07137 (ICML 2022), algorithm 1.

    Args:
        losses: float (batch,), of the candidates under the model being trained.
        irreducible: float (batch,), `irreducible_losses` of the same candidates.
        k: how many to train on; all of them if there are fewer.
    """
    best: Array = np.argsort(irreducible - losses, kind="stable")[:k]
    return best


def irreducible_losses(
    embeddings: Array, labels: Array, exemplars: Array, exemplar_labels: Array
) -> Array:
    """Loss of each sample under a model of clean data alone: float (n,), in nats.

    The paper trains a small network on held-out data; ours is a logistic regression on the frozen
    embeddings of clean exemplars. A class without exemplars has the probability of a blind guess.

    Args:
        embeddings: float32 (n, d), unit rows.
        labels: int (n,), class ids as given.
        exemplars: float32 (m, d), unit rows.
        exemplar_labels: int (m,), right class ids.
    """
    n_classes = 1 + int(max(labels.max(), exemplar_labels.max()))
    p = _probabilities(_fit(exemplars, exemplar_labels, CLASSIFIER_C), embeddings, n_classes)
    p[:, np.setdiff1d(np.arange(n_classes), exemplar_labels)] = 1 / n_classes
    own = p[np.arange(len(labels)), labels]
    losses: Array = -np.log(np.maximum(own, 1e-12))
    return losses

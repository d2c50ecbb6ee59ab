"""Arms that ask nobody: what each of them trains on, given the same pool. Pure.

`human` and `no_votes` are not among them: what they train on follows from a model of the votes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from trainer.selection import Selection, whole
from trainer.signals import Array, PoolView

TURNED = 0.35
"""Share of pairs that `rdpo` is told are filed the wrong way round."""


@dataclass(frozen=True, slots=True)
class Case:
    """What an arm may look at.

    Attributes:
        labels: int64 (n,), as they were given.
        group: int64 (n,), place of the first sample that says the same.
        view: what the vote model knows of the samples; somebody pays for a look.
        is_right: bool (n,), whether each label is right; None where no truth is known. For the
            oracle alone.
        rng: draws what is left to chance.
    """

    labels: Array
    group: Array
    view: Callable[[], PoolView]
    is_right: Array | None
    rng: np.random.Generator


def _control(case: Case) -> Selection:
    """Everything, exact duplicates once."""
    return whole(case.labels, case.group)


def _random(case: Case) -> Selection:
    """Half of it by lot: what training on less does by itself."""
    return _only(case, case.rng.random(len(case.labels)) < 0.5)


def _cleanlab(case: Case) -> Selection:
    """What confident learning (Northcutt et al. 2021) leaves."""
    from trainer.bench.rivals import confident_learning_keep  # scikit-learn: an extra

    seed = int(case.rng.integers(2**31))
    pool = case.view()
    return _only(case, confident_learning_keep(pool.embeddings, pool.labels, seed))


def _autorel(case: Case) -> Selection:
    """All pairs, some turned round: as a reward model trained on the rest of them would have it."""
    from trainer.bench.rivals import called_otherwise  # scikit-learn: an extra

    view = case.view()
    if view.hints is None:
        raise ValueError("autorel turns pairs round; leave it out where there are none")
    better = np.concatenate([view.embeddings - view.hints.filed, view.hints.signals], axis=1)
    everything = _control(case)
    turned = called_otherwise(better, case.rng)
    return replace(everything, label=np.where(turned, 1 - case.labels, case.labels))


def _rdpo(case: Case) -> Selection:
    """All pairs under a loss that is unbiased where so many are turned round by chance.

    Provably robust DPO (Chowdhury et al. 2024, 2403.00409) weighs the loss of a pair as filed by (1 - e) / (1 - 2 e)
    and that of the pair turned round by -e / (1 - 2 e), which is what a pair's loss is where one were
    surer than sure of its label.
    """
    everything = _control(case)
    sure = (1 - TURNED) / (1 - 2 * TURNED)
    return replace(everything, keep=np.full(len(case.labels), sure))


def _oracle(case: Case) -> Selection:
    """What is right, by a truth no real run has: the limit of filtering."""
    if case.is_right is None:
        raise ValueError("the oracle needs a truth; set data.truth or data.dirt in the spec")
    return _only(case, case.is_right)


def _only(case: Case, chosen: Array) -> Selection:
    everything = _control(case)
    weight = everything.weight * chosen
    if not weight.any():
        return everything
    return Selection(weight, np.where(chosen, 1.0, 0.0), case.labels)


ARMS: Mapping[str, Callable[[Case], Selection]] = {
    "control": _control,
    "random": _random,
    "cleanlab": _cleanlab,
    "oracle": _oracle,
    "autorel": _autorel,
    "rdpo": _rdpo,
    "infobatch": _control,
    "rho": _control,
}
"""Arm -> what it trains on; the last two choose among that as they go (`trainer.batches`)."""

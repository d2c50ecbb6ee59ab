"""The head start: class means, a fit drawn to them, and boldness that does not decide."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 -- the field's name for it

from trainer.tasks.cosine_head import CosineHead, boldest, class_means, logistic, logits_of

WIDTH, CLASSES = 24, 5


def clusters(per_class: int, spread: float = 1.2, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """(unit rows, labels) around random class directions, loudest where no class differs."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(CLASSES, WIDTH))
    centres[:, :6] = 0.0
    labels = np.repeat(np.arange(CLASSES), per_class)
    noise = rng.normal(size=(len(labels), WIDTH))
    noise[:, :6] *= 3.0
    rows = centres[labels] + spread * noise
    return F.normalize(torch.from_numpy(rows).float(), dim=1), torch.from_numpy(labels)


def accuracy(weight, bias, unit, labels) -> float:
    return float((logits_of(unit, weight, bias).argmax(dim=1) == labels).float().mean())


def test_class_means_are_what_arithmetic_says():
    unit = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    labels, weight = torch.tensor([0, 0, 1]), torch.tensor([3.0, 1.0, 0.5])
    names = torch.tensor([[0.0, 0.0], [0.0, 1.0]])

    means = class_means(unit, labels, weight, names)

    assert torch.allclose(means[0], torch.tensor([3.0, 1.0]) / 10**0.5)
    assert torch.allclose(means[1], torch.tensor([0.0, 1.0]))


def test_a_label_without_samples_starts_at_its_name():
    unit, labels = clusters(4)
    names = F.normalize(torch.eye(CLASSES, WIDTH), dim=1)
    keep = labels != 2

    means = class_means(unit[keep], labels[keep], torch.ones(int(keep.sum())), names)

    assert torch.allclose(means[2], names[2])


def test_the_fit_is_better_than_the_means_it_is_drawn_to():
    unit, labels = clusters(40, spread=2.0)
    held_out, truth = clusters(60, spread=2.0, seed=1)
    weight = torch.ones(len(labels))
    means = class_means(unit, labels, weight, torch.zeros(CLASSES, WIDTH))

    fitted = logistic(unit, labels, weight, means)

    before = boldest(logits_of(held_out, means, torch.zeros(CLASSES)), truth)[0]
    assert boldest(logits_of(held_out, *fitted), truth)[0] < before
    assert accuracy(*fitted, held_out, truth) > accuracy(means, fitted[1], held_out, truth)


def test_from_one_sample_each_it_stays_near_the_means():
    """The fewer there are, the stronger the pull: one sample of a class is no boundary."""
    unit, labels = clusters(1)
    means = class_means(unit, labels, torch.ones(CLASSES), torch.zeros(CLASSES, WIDTH))
    many, many_labels = clusters(200)

    def moved(rows, ids):
        weight, _ = logistic(rows, ids, torch.ones(len(ids)), means)
        return float((weight - means).norm())

    assert moved(unit, labels) < 0.5 * moved(many, many_labels)


def test_what_weighs_nothing_changes_nothing():
    unit, labels = clusters(10)
    weight = torch.ones(len(labels))
    weight[::10] = 0.0
    wrong = torch.where(weight == 0, (labels + 1) % CLASSES, labels)
    means = class_means(unit, labels, weight, torch.zeros(CLASSES, WIDTH))

    right, other = (logistic(unit, ids, weight, means)[0] for ids in (labels, wrong))

    assert torch.allclose(right, other, atol=1e-5)


@pytest.mark.parametrize("factor", [0.25, 1.0, 0.5])
def test_boldness_does_not_decide(factor):
    """The same answers, said more timidly, are as good."""
    logits = 4 * torch.eye(3)[[0, 1, 2, 0]]
    labels = torch.tensor([0, 1, 2, 0])

    loss, chosen = boldest(factor * logits, labels)

    assert chosen == 4.0
    assert loss == pytest.approx(float(F.cross_entropy(4 * factor * logits, labels)))


def test_a_centre_is_taken_off_before_directions_are_compared():
    head = CosineHead(2, 2)
    head.centre.copy_(torch.tensor([1.0, 1.0]))

    assert torch.allclose(head.unit(torch.tensor([[3.0, 1.0]])), torch.tensor([[1.0, 0.0]]))

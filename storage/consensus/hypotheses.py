"""What could be true of each item, as arrays: the given label, the named ones, something else. Pure.

Lengths: n items, h hypotheses (an item and a class it may have; those of an item lie together),
v answers. Labels are numbers into `labels`. What voters are like is left to `emissions`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from storage.consensus.answers import GIVEN, MACHINE, SOMETHING_ELSE, Answer, Choice

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

FEW = 11
"""So many classes, "something else" included, still get a full confusion matrix per voter."""


def tally(what: Ints, size: int, weight: Floats | None = None) -> Floats:
    """(size,) How often each number of `what` occurs, or the sum of its weights."""
    return np.bincount(what, weight, minlength=size).astype(np.float64)


@dataclass(frozen=True, slots=True)
class Table:
    """Answers and what they may be about.

    Attributes:
        items, voters: their names, sorted.
        labels: all classes by number.
        classes: K, how many of `labels` an answer may name.
        is_few: whether items without a given label may be of every class: at most `FEW` ones.
        given: (n,) the label an item has, -1 = none.
        starts: (n,) first hypothesis of each item.
        item, label: (h,) what each hypothesis claims.
        is_allowed: (h,) False where gold rules it out.
        is_gold: (n,) whether the truth is known.
        at, by: (v,) item and voter of each answer.
        is_choice, is_yes: (v,) which kind it is, and what a yes/no says.
        said: (v,) the label named; a yes names the given one, a no none (-1).
        is_heard: (v,) False where an answer counts for nothing.
    """

    items: tuple[str, ...]
    voters: tuple[str, ...]
    labels: tuple[str, ...]
    classes: int
    is_few: bool
    given: Ints
    starts: Ints
    item: Ints
    label: Ints
    is_allowed: Bools
    is_gold: Bools
    at: Ints
    by: Ints
    is_choice: Bools
    is_yes: Bools
    said: Ints
    is_heard: Bools

    @property
    def is_machine(self) -> Bools:
        """(voters,) Whether it is the machine."""
        return np.array([name == MACHINE for name in self.voters])

    @property
    def people(self) -> Table:
        """The same without what the machine said; it stays among the voters, and is silent."""
        said = ~self.is_machine[self.by]
        parts = ("at", "by", "is_choice", "is_yes", "said", "is_heard")
        return replace(self, **{name: getattr(self, name)[said] for name in parts})

    @property
    def fits(self) -> Bools:
        """(h,) Whether a hypothesis says that the given label fits."""
        return np.asarray(self.label == self.given[self.item])

    def cells(self) -> tuple[Ints, Ints]:
        """(answer, hypothesis) of every pair that is about the same item, heard answers only."""
        heard = np.flatnonzero(self.is_heard)
        many = np.diff(np.append(self.starts, len(self.item)))[self.at[heard]]
        answer = np.repeat(heard, many)
        within = np.arange(len(answer)) - np.repeat(np.cumsum(many) - many, many)
        return answer, self.starts[self.at[answer]] + within

    def is_right(self, answer: Ints, hypothesis: Ints) -> Bools:
        """Whether each answer of these pairs is right if the hypothesis holds."""
        names_it = self.said[answer] == self.label[hypothesis]
        judges_it = self.is_yes[answer] == self.fits[hypothesis]
        return np.asarray(np.where(self.is_choice[answer], names_it, judges_it))

    def per_item(self, values: Floats) -> Floats:
        """(n,) sums of `values` (h,) over the hypotheses of each item."""
        return np.asarray(np.add.reduceat(values, self.starts))


def tabulate(
    answers: Sequence[Answer],
    gold: Mapping[str, bool | str],
    given: Mapping[str, str],
    labels: Collection[str],
) -> Table:
    """The table of some answers; at least one.

    Raises:
        ValueError: a given label is missing that is needed, or a voter answered twice.
    """
    answers = sorted(answers, key=lambda a: (a.item, a.voter, isinstance(a, Choice)))
    items, voters = _names(a.item for a in answers), _names(a.voter for a in answers)
    given = _known_given(answers, given)
    answers = _one_each(answers)
    gold = {a.item: gold[a.item] for a in answers if a.item in gold}
    _check_gold(gold, given)
    vocabulary, classes, is_few = _vocabulary(answers, gold, given, labels)
    number = {label: k for k, label in enumerate(vocabulary)}
    owned = _classes_of_items(answers, gold, given, vocabulary[:classes] if is_few else ())
    flat = [(i, number[c]) for i, item in enumerate(items) for c in owned[item]]
    item, label = np.array(flat, dtype=np.int64).T
    given_number = np.array([number[given[i]] if i in given else -1 for i in items])
    row = {name: i for i, name in enumerate(items)}
    column = {name: j for j, name in enumerate(voters)}
    at = np.array([row[a.item] for a in answers])
    is_choice = np.array([isinstance(a, Choice) for a in answers])
    said = np.array(
        [
            number[a.label] if isinstance(a, Choice) else number[given[a.item]] if a.is_yes else -1
            for a in answers
        ]
    )
    return Table(
        items=items,
        voters=voters,
        labels=vocabulary,
        classes=classes,
        is_few=is_few,
        given=given_number,
        starts=np.searchsorted(item, np.arange(len(items))),
        item=item,
        label=label,
        is_allowed=_allowed(items, vocabulary, flat, gold, given),
        is_gold=np.array([i in gold for i in items]),
        at=at,
        by=np.array([column[a.voter] for a in answers]),
        is_choice=is_choice,
        is_yes=said == given_number[at],
        said=said,
        is_heard=np.ones(len(at), dtype=bool),
    )


def _names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))


def _known_given(answers: Sequence[Answer], given: Mapping[str, str]) -> dict[str, str]:
    """Item -> its given label, for the items there are answers to.

    Raises:
        ValueError: see `tabulate`.
    """
    seen = {(a.item, a.voter, type(a)) for a in answers}
    if len(seen) < len(answers):
        raise ValueError("a voter answered the same question about the same item twice")
    judged = {a.item for a in answers if not isinstance(a, Choice)}
    named = {a.item for a in answers if isinstance(a, Choice)}
    if lost := sorted((judged & named) - given.keys()):
        raise ValueError(f"{lost[0]!r} was judged and named: tell its label in `given`")
    return {i: given.get(i, GIVEN) for i in judged | (named & given.keys())}


def _one_each(answers: Sequence[Answer]) -> list[Answer]:
    """One per voter and item: a name says all that a yes or no does, which is no second voice."""
    named = {(a.item, a.voter) for a in answers if isinstance(a, Choice)}
    return [a for a in answers if isinstance(a, Choice) or (a.item, a.voter) not in named]


def _check_gold(gold: Mapping[str, bool | str], given: Mapping[str, str]) -> None:
    """See to it that every truth speaks of what was asked.

    Raises:
        ValueError: see `tabulate`.
    """
    for item, truth in gold.items():
        label = given.get(item)
        if (label == GIVEN and isinstance(truth, str)) or (
            label is None and truth in (True, False)
        ):
            raise ValueError(f"gold {truth!r} of {item!r} says nothing: tell its label in `given`")


def _vocabulary(
    answers: Sequence[Answer],
    gold: Mapping[str, bool | str],
    given: Mapping[str, str],
    labels: Collection[str],
) -> tuple[tuple[str, ...], int, bool]:
    """(all labels, how many of them can be named, whether they are few)."""
    named = {a.label for a in answers if isinstance(a, Choice)}
    is_free = any(a.item not in given for a in answers)
    known = {g for i, g in gold.items() if isinstance(g, str)}
    nameable = sorted((named | known | set(labels) | set(given.values())) - {SOMETHING_ELSE, GIVEN})
    is_few = is_free and len(nameable) < FEW
    is_open = not is_few or bool(given) or SOMETHING_ELSE in named | known
    can_be_named = (*nameable, *((SOMETHING_ELSE,) if is_open else ()))
    anonymous = (GIVEN,) if GIVEN in given.values() else ()
    return (*can_be_named, *anonymous), len(can_be_named), is_few


def _classes_of_items(
    answers: Sequence[Answer],
    gold: Mapping[str, bool | str],
    given: Mapping[str, str],
    shared: Sequence[str],
) -> dict[str, list[str]]:
    """Item -> the classes it may have; without a given label all `shared` ones, if any."""
    is_judging_only = not any(isinstance(a, Choice) for a in answers)
    owned: dict[str, dict[str, None]] = {}  # a dict keeps the order, each class once
    for a in answers:
        mine = owned.setdefault(a.item, dict.fromkeys([given[a.item]] if a.item in given else []))
        if isinstance(a, Choice):
            mine[a.label] = None
    for item, mine in owned.items():
        if shared and item not in given:
            mine.update(dict.fromkeys(shared))
            continue
        truth = gold.get(item)
        if isinstance(truth, str) and not is_judging_only:
            mine[truth] = None
        mine.pop(SOMETHING_ELSE, None)
        mine[SOMETHING_ELSE] = None  # last
    return {item: list(mine) for item, mine in owned.items()}


def _allowed(
    items: Sequence[str],
    labels: Sequence[str],
    hypotheses: Sequence[tuple[int, int]],
    gold: Mapping[str, bool | str],
    given: Mapping[str, str],
) -> Bools:
    """(h,) What gold leaves possible; a true label that is no hypothesis is something else."""
    claimed = {(items[i], labels[k]) for i, k in hypotheses}

    def may_be(item: str, label: str) -> bool:
        truth = gold.get(item)
        if truth is None:
            return True
        if isinstance(truth, str):
            return label == (truth if (item, truth) in claimed else SOMETHING_ELSE)
        return (label == given.get(item)) == truth

    return np.array([may_be(items[i], labels[k]) for i, k in hypotheses])

"""Answers to classes: full-confusion-matrix Dawid-Skene where it pays, smoothed shares else. Pure.

Each voter has two reliabilities on "does it fit?", P(yes | fits) and P(no | does not), and a way of
choosing among labels; one number per voter collapses as soon as somebody always says yes. Telling
voters apart can hurt, too: where all are alike, or answered little, it adds noise to a majority.
So it is done only where the answers themselves speak for it (see `_weigh`).

People who share few items can hardly be told apart by each other. What was believed of the items
before anybody was asked is one more voter, of unknown worth, whom everybody shares items with: who
contradicts it more than others do stands out. It measures people and has no say in what is true.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy.special import bdtrc

from storage.consensus.agreement import krippendorff_alpha
from storage.consensus.answers import MACHINE, Answer, Consensus, Method, YesNo
from storage.consensus.emissions import Voters, model
from storage.consensus.hypotheses import Bools, Floats, Table, tabulate, tally
from storage.consensus.reliability import gold_answers, is_careless, reliabilities
from storage.consensus.shares import shares
from storage.consensus.variational import Fit, believe, fit, log_shares

MIN_OVERLAP = 0.2
MIN_GOLD = 8
MIN_ANSWERS = 10.0
"""Answers of a typical answer's voter below which two shares each cannot be told from luck."""
MOST = 2 / 3
"""Share of the answers whose voters fail on gold above which it is gold that fails."""
AGREED = 0.4
"""Krippendorff's alpha that people who do not look, or say the same to everything, never reach."""
BY_CHANCE = 0.1
"""Errors on gold are held against Dawid-Skene where chance makes so many less often than this."""


def aggregate(
    answers: Sequence[Answer],
    gold: Mapping[str, bool | str] | None = None,
    given: Mapping[str, str] | None = None,
    labels: Collection[str] = (),
    believed: Mapping[str, bool] | None = None,
) -> Consensus:
    """What the team thinks of every item, and how far each voter can be trusted.

    Args:
        answers: at most one per voter, item and kind of question.
        gold: items whose truth is known beforehand: the true label, or whether the given one fits.
            They measure voters and get no opinion.
        given: item -> the label it has; needed where an item is both judged and named.
        labels: all labels there are, where known; those seen count in any case.
        believed: item -> whether its given label was thought to fit before anybody was asked; of
            items that have one, and no gold.

    Raises:
        ValueError: a voter answered twice, or a given label is missing that is needed.
    """
    if not answers:
        return Consensus({}, {}, {}, None)
    machine = _machine(answers, believed or {})
    table = tabulate([*answers, *machine], gold or {}, given or {}, labels)
    right, asked = gold_answers(table)
    ignored = is_careless(right, asked)
    if _fails_itself(table.people, ignored):
        # gold is chosen by machine, and such people would not agree with each other
        rest = [a for a in answers if a.item not in (gold or {})]
        return aggregate(rest, None, given, labels, believed)
    table = replace(table, is_heard=table.is_gold[table.at] | ~ignored[table.by])
    people = table.people
    belief, confused = shares(people), None
    method: Method = "shares"
    if machine or _can_compare(people, asked[~ignored]):
        belief, method, confused = _weigh(table, belief)
    voters = reliabilities(table, confused, right, asked) if confused else {}
    return Consensus(
        posterior=_keep(people, belief),
        votes=_votes(people),
        voters={name: voter for name, voter in voters.items() if name != MACHINE},
        alpha=krippendorff_alpha(_codes(people)),
        classes=_classes(people, belief),
        ignored=frozenset(np.array(table.voters)[ignored].tolist()),
        method=method,
    )


def _machine(answers: Sequence[Answer], believed: Mapping[str, bool]) -> list[YesNo]:
    """What the machine says of the items that people were asked about."""
    asked = {a.item for a in answers}
    return [YesNo(item, MACHINE, fits) for item, fits in believed.items() if item in asked]


def _fails_itself(table: Table, fails: Bools) -> bool:
    """Whether it is gold that is wrong, not the people who fail on it.

    Nearly all do, and yet agree with each other on other items, as careless people never do.
    """
    if tally(table.by, len(table.voters))[fails].sum() <= MOST * len(table.by):
        return False
    codes = _codes(table)[~table.is_gold]
    if ((~np.isnan(codes)).sum(axis=1) >= 2).sum() < MIN_GOLD:
        return False
    agreement = krippendorff_alpha(codes)
    return agreement is not None and agreement >= AGREED


def _can_compare(table: Table, asked: Floats) -> bool:
    """Whether voters overlap enough, or answered enough gold, to be told apart."""
    overlap = (tally(table.at[table.is_heard], len(table.items)) >= 2).mean()
    return bool(overlap >= MIN_OVERLAP or (len(asked) > 0 and (asked >= MIN_GOLD).all()))


def _weigh(table: Table, start: Floats) -> tuple[Floats, Method, Fit]:
    """(beliefs, how they were told, the fit with confusion matrices).

    Whether voters differ is asked of the answers: do an accuracy each, or a confusion matrix each,
    explain them better than one accuracy for all? The evidence charges every share for itself. If
    not, everybody counts the same, for as much as all are worth together. If so, but voters said
    too little, or gold contradicts, nothing but shares is claimed.
    """
    people = table.people
    fits = {voters: fit(model(table, voters), table, start) for voters in Voters}
    alike, confused = fits[Voters.ALIKE], fits[Voters.CONFUSED]
    if alike.evidence >= max(fits[Voters.ACCURATE].evidence, confused.evidence):
        return _equal_voices(people, alike), "equal", confused
    if _answers_per_voter(people) < MIN_ANSWERS:
        return start, "shares", confused
    if _gold_contradicts(people, confused):
        return start, "shares", confused
    logs = log_shares(confused.model, confused.weight)
    return _believed_by(people, Voters.CONFUSED, logs), "dawid-skene", confused


def _answers_per_voter(table: Table) -> float:
    """How much the voter of a typical answer has answered."""
    cast = tally(table.by[table.is_heard], len(table.voters))
    return float((cast**2).sum() / cast.sum())


def _equal_voices(people: Table, alike: Fit) -> Floats:
    """(h,) A majority with the sureness that agreement has earned; no class is preferred.

    The share of good items is left out: learnt where all count the same, it drowns a minority.
    """
    logs = log_shares(alike.model, alike.weight)
    logs[alike.model.balance :] = 0.0
    return _believed_by(people, Voters.ALIKE, logs)


def _believed_by(people: Table, voters: Voters, logs: Floats) -> Floats:
    """(h,) What follows from people's answers alone, once it is known what they are worth."""
    return believe(model(people, voters), people, logs)


def _gold_contradicts(table: Table, fitted: Fit) -> bool:
    """Whether on gold the fit is worse than shares are, by more than luck explains."""
    gold = np.flatnonzero(table.is_gold)
    if len(gold) == 0:
        return False
    blind = replace(table, is_allowed=np.ones_like(table.is_allowed))
    by_share = blind.per_item(np.where(table.is_allowed, shares(blind), 0.0))[gold]
    by_fit = np.array([_left_out(table, fitted, int(i)) for i in gold])
    lost = int(((by_share > 0.5) & (by_fit < 0.5)).sum())
    won = int(((by_share < 0.5) & (by_fit > 0.5)).sum())
    return bool(bdtrc(lost - 1, lost + won, 0.5) < BY_CHANCE)


def _left_out(table: Table, fitted: Fit, item: int) -> float:
    """P(the truth) of a gold item, its voters measured on everything else."""
    confused = fitted.model
    mine = np.flatnonzero(table.item == item)
    is_mine = table.item[confused.hypothesis] == item
    at, setting = confused.hypothesis[is_mine] - mine[0], confused.setting[is_mine]
    own = tally(setting, len(confused.dial), fitted.belief[mine][at])
    logs = log_shares(confused, fitted.weight - own)
    score = confused.constant[mine] + tally(at, len(mine), logs[setting])
    likely = np.exp(score - score.max())
    return float(likely[table.is_allowed[mine]].sum() / likely.sum())


def _keep(table: Table, belief: Floats) -> dict[str, float]:
    keep = table.per_item(np.where(table.fits, belief, 0.0)).tolist()
    has_opinion = ((table.given >= 0) & ~table.is_gold).tolist()
    return {item: keep[i] for i, item in enumerate(table.items) if has_opinion[i]}


def _votes(table: Table) -> dict[str, int]:
    cast = tally(table.at[table.is_heard], len(table.items))
    return {item: int(cast[i]) for i, item in enumerate(table.items) if not table.is_gold[i]}


def _classes(table: Table, belief: Floats) -> dict[str, dict[str, float]]:
    classes: dict[str, dict[str, float]] = {}
    for i, k, p in zip(table.item.tolist(), table.label.tolist(), belief.tolist(), strict=True):
        if not table.is_gold[i]:
            classes.setdefault(table.items[i], {})[table.labels[k]] = p
    return classes


def _codes(table: Table) -> Floats:
    """(items, voters) What was said; where anybody only judged, whether the given label fits."""
    codes = np.full((len(table.items), len(table.voters)), np.nan)
    judged = ~table.is_choice.all() & (table.given >= 0)[table.at]
    codes[table.at, table.by] = np.where(judged, -1 - table.is_yes, table.said)
    return codes

"""Many answers to one opinion. Pure.

    consensus = aggregate(answers, gold=..., given=..., labels=...)

`answers` mixes `YesNo(item, voter, is_yes)` ("does the given label fit?") and
`Choice(item, voter, label)` (chosen among labels, or A / B / tie, or named freely), at most one of
each kind per voter and item; a choice takes the place of the same voter's yes or no. `given` tells
item -> the label it has; `gold` item -> its true label, or True / False = the given one fits / does
not; `labels` all labels of the task, where known. Ask about labels and about A / B / tie in two
calls: they are two vocabularies.

    consensus.posterior[item]          P(the given label fits): what a sample is worth
    consensus.classes[item]            {label: probability, SOMETHING_ELSE: probability}
    consensus.voters[voter]            .accuracy, .on_good, .on_bad, .choosing, .of_class[label],
                                       each a Share(mean, low, high, votes)
    consensus.ignored                  voters whose gold answers are so bad that they count nothing
    consensus.method, .alpha, .votes   how it was told, agreement in [-1, 1], item -> answers

    ranking([(feature, voter, value), ...], top=3, within={feature: label})
                                       (Importance(feature, mean, low, high, votes, ranks, in_top),
                                       ...), most important first
    importance([(feature, voter, value), ...])
                                       {feature: (mean, votes)}
    krippendorff_alpha(table), interval_alpha(table)
                                       agreement on names, on graded values; nan = no answer
"""

from storage.consensus.agreement import interval_alpha, krippendorff_alpha
from storage.consensus.answers import (
    GIVEN,
    SOMETHING_ELSE,
    Answer,
    Choice,
    Consensus,
    Reliability,
    Share,
    YesNo,
)
from storage.consensus.classes import aggregate
from storage.consensus.importance import Importance, importance, ranking

__all__ = [
    "GIVEN",
    "SOMETHING_ELSE",
    "Answer",
    "Choice",
    "Consensus",
    "Importance",
    "Reliability",
    "Share",
    "YesNo",
    "aggregate",
    "importance",
    "interval_alpha",
    "krippendorff_alpha",
    "ranking",
]

"""What the bot says: nouns in, sentences out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from bot import words
from bot.cutting import MAX_BUTTON_TEXT, cut, cut_all
from bot.opinions import Tally
from bot.pleased import Pleased
from bot.wording import (
    wording,
)
from bot.worth import Decision
from storage.consensus import Importance
from storage.models import (
    Ballot,
    Round,
    SampleView,
)
from trainer.kinds import Kind
from trainer.segment import SelectionReport

MAX_OWN_ANSWER = 500
"""A prompt and what the model answers, in a thread: three of them must fit into one message."""
MAX_RANKED = 6
"""Features per label that a thread is told of."""

HELP_ON_CARDS = """On a card: tap an answer, or reply in its thread. `label: NAME` gives a better label;
`words NAME: a, b` and `about NAME: one sentence` say what a label means.
Of two answers: `A`, `B`, `tie` or `bad`. Of many pictures: `3 7` (these do not fit), `all fit`, `none fit`."""


def round_opened(asked: Sequence[Ballot], round_: Round, closes: str, kind: Kind) -> str:
    """What is asked now, and what happens if nobody answers."""
    counts = Counter(ballot.ask for ballot in asked)
    n_features, n_own = counts["importance"], counts["happy"]
    what = [words.plural(counts.total() - n_features - n_own, "sample card")]
    n_pictures = sum(len(ballot.subjects) for ballot in asked if ballot.is_sheet)
    if n_pictures:
        n_sheets = sum(ballot.is_sheet for ballot in asked)
        what[0] += f" ({words.count(n_pictures)} pictures stand on {words.count(n_sheets)} of them)"
    if n_features:
        what.append(words.plural(n_features, wording(kind).feature_card))
    own = (
        f" And {words.count(n_own)} of the model's own answers, to see how it does."
        if n_own
        else ""
    )
    every = f"every {'sample and topic ' if n_own else ''}card"
    every += ", and each picture on it," if n_pictures else ""
    return (
        f"Round {round_.n + 1}: {words.listed(what)}.{own} Training goes on once {every} has "
        f"{words.plural(round_.quorum, 'vote')}, or {closes}. No votes: go on unchanged."
    )


def round_closed(n: int, tally: Tally, closed_by: str, kind: Kind) -> str:
    """The count of a round."""
    why = {"quorum": "quorum reached", "deadline": "deadline passed"}.get(closed_by, closed_by)
    return f"Round {n} closed ({why}): {tally_said(tally, kind)}"


def tally_said(tally: Tally, kind: Kind) -> str:
    """Votes counted, in words."""
    said = wording(kind)
    if tally.is_silent:
        return "no votes, so nothing changes."
    text = (
        f"{words.plural(tally.votes, 'vote')} by "
        f"{words.plural(tally.voters, 'person', 'people')}: {tally.yes} {said.yes}, "
        f"{tally.no} {said.no}, {tally.abstained} can't tell"
    )
    if tally.levels:
        weighed = f"{said.weighed[0].lower()}{said.weighed[1:]}"
        text += f", {tally.levels} on {weighed}"
    if tally.words:
        text += f", {tally.words} on what a label means"
    return f"{text}; agreement α {tally.alpha:.2f}." if tally.alpha is not None else f"{text}."


def not_all_seen(run_id: str, n: int) -> str:
    """Told to operators of a round whose last look at the platforms failed in part."""
    return (
        f"Round {n} of run {run_id} closed, but not every card could be looked at once more: votes "
        "given while the chat was away may not count."
    )


def own_answers(shown: Sequence[SampleView]) -> str:
    """What the model answers by itself, where it stands on no card."""
    said = []
    for view in shown:
        names = [name for name, _ in view.parts]
        texts = cut_all(
            [" ".join(text.split()) or "(empty)" for _, text in view.parts], MAX_OWN_ANSWER
        )
        lines = [f"{name}: {text}" for name, text in zip(names, texts, strict=True)]
        said.append("• " + "\n  ".join(lines))
    return "\n".join(
        (
            "What the model answers by now to held-out prompts:",
            *said,
            "If that is good enough, say `stop` to end here.",
        )
    )


def pleased_said(now: Pleased, before: Pleased | None) -> str:
    """How the team finds what the model answers by itself, and what may follow from it."""
    text = f"The model's own answers: the team finds {_good(now)} good"
    text += f"; in the round before it was {_good(before)}." if before else "."
    if now.is_clear:
        text += (
            " The team is happy with the model's answers: say `stop` to end here, or let it go on."
        )
    return text


def _good(found: Pleased) -> str:
    return f"{found.good} of {found.rated}"


def audit_opened() -> str:
    """Why the first cards are random ones."""
    return (
        "An audit, before anything is trained: these samples are drawn at random, to see how "
        "dirty the pool is and whether it is worth your time to ask on."
    )


def decided(decision: Decision) -> str:
    """Whether people are asked on, why, and what happens now."""
    if decision.is_again:
        return (
            f"{decision.why} So {words.plural(decision.cards, 'more card')} at random, to be sure."
        )
    if decision.go and not decision.cards:
        return (
            f"{decision.why} No more cards are planned: training goes on with what you have said."
        )
    if decision.go:
        return f"{decision.why} So asking goes on: {words.plural(decision.cards, 'more card')} at most."
    if decision.kind == "audit":
        return (
            f"{decision.why} So nothing more is asked, and training goes on with the whole pool, "
            "just as if nobody had been asked. Your answers are kept. Thank you!"
        )
    return (
        f"{decision.why} So nothing more is asked, and training goes on with what you have said "
        "so far. Thank you!"
    )


def ignored_said(right: int, asked: int) -> str:
    """In private, to somebody whose answers are left out."""
    return (
        f"Some cards show samples whose answer is known. You had {right} of {asked} of them right, "
        "which is hard to tell from guessing, so for now your answers are kept but not counted. "
        "Maybe the question reads differently than it is meant: ask in the thread, or simply go "
        "on. As soon as more of them are right your answers count again, the earlier ones too."
    )


def selection_said(report: SelectionReport, kind: Kind) -> str:
    """What the votes did to the pool."""
    if report.undone:
        return (
            f"The last round did harm: {report.undone}. Its effect is undone: all "
            f"{words.count(report.kept)} samples are trained on again, all alike, from the best weights "
            "there were. The answers are kept, and count for nothing unless the next round brings "
            "better ones."
        )
    if report.is_unheard:
        return (
            f"{words.plural(report.votes, 'vote')}: by what labels are called alone surely more of the "
            "held-out samples are got right than by them. So names decide until people say more: "
            f"{words.count(report.dropped)} of {words.count(report.pool)} samples set aside."
        )
    if report.note:
        return (
            f"{words.plural(report.votes, 'vote')}: {report.note}. They count for the samples that "
            "were voted on and for no others."
        )
    text = (
        f"{words.plural(report.votes, 'vote')}: {words.count(report.dropped)} of "
        f"{words.count(report.pool)} samples set aside, the rest weighted by how sure the team is"
    )
    if report.reweighted:
        text += f"; {words.count(report.reweighted)} re-weighted {wording(kind).reweighted}"
    if report.relabelled:
        text += f"; {words.count(report.relabelled)} {wording(kind).relabelled}"
    return f"{text}."


def contradicted(why: str) -> str:
    """Why a round's answers count for nothing."""
    return (
        f"This round counts for nothing: {why}. Its answers are kept; training goes on as if it had not "
        "been. A word on what makes a good sample may help before the next one."
    )


def skipped_said(skipped: Sequence[tuple[str, int, str]]) -> str:
    """Samples that were left out, with an example each."""
    parts = [
        f"{n} x {reason}" + (f" (e.g. “{cut(eg, 60)}”)" if eg else "") for reason, n, eg in skipped
    ]
    return f"Left out: {'; '.join(parts)}."


def ranking_said(ranking: Mapping[str, Sequence[Importance]], kind: Kind) -> str:
    """What the votes say of features, most important first: a line per label; "" without votes.

    Args:
        ranking: label -> its features in order (`bot.opinions.Heard.ranking`).
        kind: says what is weighed.
    """
    lines = [_ranked(label, ranks) for label, ranks in sorted(ranking.items()) if ranks]
    if not lines:
        return ""
    said = wording(kind)
    scale = f"from 0 = {said.levels[0][1]} to 5 = {said.levels[-1][1]}"
    return "\n".join((f"{said.weighed}, {scale}, with 90 % intervals:", *lines))


def _ranked(label: str, ranks: Sequence[Importance]) -> str:
    shown = [
        f"{cut(one.feature, 40)} {_level(one.mean)} ({_level(one.low)} to {_level(one.high)})"
        for one in ranks[:MAX_RANKED]
    ]
    more = len(ranks) - len(shown)
    rest = f" · and {more} more" if more > 0 else ""
    return f"“{cut(label, MAX_BUTTON_TEXT)}”: {' · '.join(shown)}{rest}"


def _level(value: float) -> str:
    """A value in [-1, 1] as people gave it: 0 to 5, below 0 where a word misleads."""
    text = f"{5 * value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "\N{MINUS SIGN}")

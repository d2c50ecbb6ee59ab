"""What somebody answered, in the card's own words: “Does not fit”, “refund”: 4 of 5. Pure."""

from __future__ import annotations

from bot.cutting import cut
from bot.votes import CONFLICT
from storage.models import Ballot, FeatureView, SampleView, SheetView, Subject

MAX_SHOWN = 60
"""Characters of a sample, enough to know it again."""


def answer_said(ballot: Ballot, subject: str, answer: str | None) -> str:
    """An answer on one of a ballot's subjects, or on what a label means.

    Args:
        ballot: what was asked.
        subject: the vote's: a key, `<key>.label`, `words.<label>` or `about.<label>`.
        answer: the vote's.
    """
    head, _, rest = subject.partition(".")
    said = answer or "can't tell"
    if head in ("words", "about"):
        return f"what “{cut(rest, 40)}” means: “{cut(said, MAX_SHOWN)}”"
    if rest == "label":
        return f"it is “{cut(said, 40)}”"
    if said == CONFLICT:
        return "two answers that contradict each other"
    chosen = next((choice.label for choice in ballot.choices if choice.id == said), None)
    if chosen is not None:
        return chosen[0].lower() + chosen[1:] if not _is_name(ballot, said) else f"“{chosen}”"
    found = subject_of(ballot, head)
    return f"“{cut(found.target, 40)}” {said} of 5" if found is not None else said


def subject_of(ballot: Ballot, key: str) -> Subject | None:
    """What stands on a ballot under a key."""
    return next((subject for subject in ballot.subjects if subject.key == key), None)


def view_of(ballot: Ballot, key: str) -> SampleView:
    """The sample that stands on a ballot under a key; on a sheet they are numbered from 1."""
    if not ballot.is_sheet:
        return SampleView.model_validate(ballot.view)
    return SheetView.model_validate(ballot.view).pictures[int(key) - 1]


def shown_on(ballot: Ballot, subject: str) -> str:
    """What was asked about, short enough to be told in a line."""
    key = subject.partition(".")[0]
    if ballot.ask == "importance":
        label = FeatureView.model_validate(ballot.view).label
        return f"what matters for “{cut(label, 40)}”" if label else "the topics"
    if key in ("words", "about"):
        return f"“{cut(subject.partition('.')[2], 40)}”"
    return sample_said(view_of(ballot, key))


def sample_said(view: SampleView) -> str:
    """A sample in a line: its words, or its id where it has none."""
    text = " ".join(view.text.split())
    return f"“{cut(text, MAX_SHOWN)}”" if text else view.sample_id


def _is_name(ballot: Ballot, choice_id: str) -> bool:
    return any(c.id == choice_id and c.names is not None for c in ballot.choices)

"""What stands on a card: nouns in, cards out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from string import ascii_uppercase

from adapters.base import Button, Card, CardPart, Menu, Picture, Tone
from bot import sheet_card, words
from bot.cutting import MAX_BUTTON_TEXT, cut, cut_all, plain_name
from bot.wording import (
    CANNOT,
    HAPPY_WITH,
    HOW_MUCH,
    LEARN_FROM,
    NUMBERS,
    ONLY_BUTTONS,
    PREFER,
    arm_said,
    wording,
)
from storage.models import (
    Ballot,
    Choice,
    FeatureView,
    Run,
    RunState,
    SampleView,
    SheetView,
)
from trainer.kinds import KINDS, Kind
from trainer.spec import RunSpec


def which(options: Sequence[str], given: str | None) -> tuple[Choice, ...]:
    """Answers to 'which of these?'; what is no opinion of the given label counts against it.

    Args:
        options: 2 to 10 labels, in the order they are shown.
        given: the label the sample has now; it may be missing among them.
    """
    numbered = zip(NUMBERS, options, strict=False)
    return (
        *(
            Choice(
                id=f"#{number}",  # no label is called so, and people may type it
                label=cut(name, MAX_BUTTON_TEXT),
                value=1.0 if name == given else -1.0,
                emoji=(emoji,),
                names=name,
            )
            for number, (emoji, name) in enumerate(numbered, 1)
        ),
        Choice(id="none", label="None of these", value=-1.0, emoji=("down",)),
        *CANNOT,
    )


def question(
    ballot: Ballot,
    spec: RunSpec,
    *,
    closes: str,
    experts: Sequence[str] = (),
    until: datetime | None = None,
) -> Card:
    """A ballot as an open card.

    Args:
        ballot: what is asked.
        spec: says how votes are given.
        closes: until when, in words.
        experts: names of people who know the ballot's label well, best first.
        until: the same, for platforms that know their readers' clocks.
    """
    return _question(ballot, spec, closes, experts).model_copy(update={"until": until})


def _question(ballot: Ballot, spec: RunSpec, closes: str, experts: Sequence[str]) -> Card:
    kind = KINDS[spec.task]
    if ballot.ask == "importance":
        view = FeatureView.model_validate(ballot.view)
        return _feature_card(ballot, view, kind, closes, experts)
    if ballot.is_sheet:
        sheet = SheetView.model_validate(ballot.view)
        return sheet_card.question(
            ballot, sheet, cut(sheet.label, MAX_BUTTON_TEXT), seeded=spec.ask.style != "buttons",
            closes=closes, known=_known_by(experts, sheet.label),
        )  # fmt: skip
    return _sample_card(ballot, SampleView.model_validate(ballot.view), spec, closes, experts)


def _sample_card(
    ballot: Ballot, view: SampleView, spec: RunSpec, closes: str, experts: Sequence[str]
) -> Card:
    with_reactions = spec.ask.style in ("reactions", "both")
    asked, parts = _asked(ballot, view, KINDS[spec.task]), _parts(ballot, view, experts)
    text = " ".join(f"{p.title}: {p.text}" if p.title else p.text for p in parts)
    return Card(
        text=f"{asked} {text}".strip(),
        title=f"{_which(view)}?" if ballot.ask == "which" else asked,
        parts=parts,
        pictures=_pictures(ballot, view),
        buttons=tuple(Button(id=c.id, label=c.label, emoji=c.emoji[0]) for c in ballot.choices),
        seeds=tuple(c.emoji[0] for c in ballot.choices) if with_reactions else (),
        footer=" · ".join((ballot.run_id, view.sample_id, *_ways_to_reply(ballot), closes)),
        is_blind=ballot.is_blind,
        tone="question",
    )


def _asked(ballot: Ballot, view: SampleView, kind: Kind) -> str:
    if ballot.ask == "which":
        names = ", ".join(c.label for c in ballot.choices if c.names is not None)
        return f"{_which(view)}: {names}, or none?"
    if ballot.ask == "happy":
        return HAPPY_WITH
    if ballot.ask == "prefer":
        return PREFER
    if kind.asks == "answer":
        return LEARN_FROM
    if view.image_path:
        return f"Does the label “{view.label}” fit this picture?"
    return f"Does “{view.label}” fit?"


def _parts(ballot: Ballot, view: SampleView, experts: Sequence[str]) -> tuple[CardPart, ...]:
    """The sample as it is shown: one text, or its named parts; what can be chosen has its key."""
    note = _note(ballot, view, experts)
    if not view.parts:
        return (CardPart(key=ballot.subjects[0].key, text=cut(view.text), note=note),)
    answers = {c.names for c in ballot.choices}
    shown = cut_all([text.strip() or "(empty)" for _, text in view.parts])
    return tuple(
        CardPart(
            key=name if name in answers else "",
            title=name,
            text=text,
            note=note if i == len(shown) else "",
        )
        for i, ((name, _), text) in enumerate(zip(view.parts, shown, strict=True), 1)
    )


def _which(view: SampleView) -> str:
    return "Which of these is it" if view.image_path else "Which of these"


def _pictures(ballot: Ballot, view: SampleView) -> tuple[Picture, ...]:
    """The sample's picture; its words say no more than the card, so not what it shows."""
    if not view.image_path:
        return ()
    filed = ballot.ask == "fits" and view.label is not None
    under = f", filed under {cut(view.label or '', MAX_BUTTON_TEXT)}" if filed else ""
    return (Picture(path=view.image_path, alt=f"Sample {view.sample_id}{under}"),)


def _note(ballot: Ballot, view: SampleView, experts: Sequence[str]) -> str:
    """What an answer is worth where copies were grouped, and who would know it."""
    n = view.stands_for
    alike = "look" if view.image_path else "read"
    worth = (
        f"Stands for {words.count(n)} samples that {alike} the same, or nearly so." if n > 1 else ""
    )
    known = _known_by(experts, view.label) if ballot.ask == "fits" else ""  # else gives it away
    return f"{worth} {known}".strip()


def _known_by(experts: Sequence[str], label: str | None) -> str:
    names = [name for name in map(plain_name, experts) if name]
    if not names or label is None:
        return ""
    return f"{words.listed(names)} {'knows' if len(names) == 1 else 'know'} “{label}” well."


def _ways_to_reply(ballot: Ballot) -> tuple[str, ...]:
    """How a card can be answered beside its buttons, or that it cannot."""
    if ballot.is_sheet:
        return sheet_card.ways_to_reply(ballot)
    if ballot.is_blind:
        return (ONLY_BUTTONS,)
    if ballot.ask == "importance":
        return (f"or reply “{ballot.subjects[0].target} 5”",)
    if ballot.ask != "which":
        return ()
    shown = {c.names for c in ballot.choices}
    is_all = shown.issuperset(ballot.labels)
    return ("or reply with a name" if is_all else "another label? reply “label: NAME”",)


def _feature_card(
    ballot: Ballot, view: FeatureView, kind: Kind, closes: str, experts: Sequence[str]
) -> Card:
    top = max(view.shares, default=1.0) or 1.0
    levels = wording(kind).levels
    has_labels = kind.asks == "label"
    title = f"What matters for “{view.label}”?" if has_labels else HOW_MUCH
    what = "The model leans on" if has_labels else "The pool is about"
    each = f"How much does each {'cell' if view.grid else 'word'} matter?"
    leans_on = _leans_on(view, is_blind=ballot.is_blind)
    lines = (*leans_on, _known_by(experts, view.label)) if has_labels else _topics(view)
    return Card(
        text=f"{title} {what}: {', '.join(view.features)}",
        title=title,
        lines=tuple(filter(None, lines)),
        pictures=_sheet(view),
        bars=tuple(
            (word, share / top, f"{100 * share:.1f} %")
            for word, share in zip(view.features, view.shares, strict=True)
        ),
        buttons=tuple(Button(id=c.id, label=c.label, emoji=c.emoji[0]) for c in ballot.choices),
        menu=Menu(
            title=each if has_labels else "How much of it?",
            options=tuple((s.key, s.target) for s in ballot.subjects),
            levels=levels,
        ),
        footer=" · ".join(
            (f"0 = {levels[0][1]}, 5 = {levels[-1][1]}", *_ways_to_reply(ballot), closes)
        ),
        is_blind=ballot.is_blind,
        tone="question",
    )


def _leans_on(view: FeatureView, *, is_blind: bool) -> tuple[str, ...]:
    if view.grid:  # what a thread says in words cannot be compared with pictures
        return ("The model looks at these cells of the pictures. Should it?",)
    means = f"In the thread, “words: ...” and “about: one sentence” say what “{view.label}” means."
    return ("The model leans on these words. Should it?", *(() if is_blind else (means,)))


def _topics(view: FeatureView) -> tuple[str, ...]:
    """What the bars are, and an example of each topic."""
    bars = "The bars say how much of the pool each topic makes now; 3 to 5 ask for more of it."
    examples = zip(view.features, view.examples, strict=False)
    return (bars, *(f"{topic}, e.g. “{cut(example, 120)}”" for topic, example in examples))


def _sheet(view: FeatureView) -> tuple[Picture, ...]:
    """The pictures under their grid; in words, what the bars say and how cells are counted."""
    if not view.grid:
        return ()
    last = f"{ascii_uppercase[view.grid - 1]}{view.grid}"
    cells = ", ".join(
        f"{cell} {100 * share:.1f} %"
        for cell, share in zip(view.features, view.shares, strict=True)
    )
    alt = (
        f"Pictures filed under {cut(view.label, MAX_BUTTON_TEXT)}, cut into cells from A1, top left, "
        f"to {last}, bottom right. The model looks at: {cells}"
    )
    return (Picture(path=view.sheet_path, alt=alt),)


def without_pictures(card: Card, lost: Sequence[Picture]) -> Card:
    """The card without the pictures that could not be read; it says so."""
    if not lost:
        return card
    kept = tuple(picture for picture in card.pictures if picture not in lost)
    return card.model_copy(update={"pictures": kept, "lines": (*card.lines, _lost(len(lost)))})


def without_lost(text: str, n: int) -> str:
    """A text `n` of whose pictures could not be read; it says so."""
    return f"{text}\n{_lost(n)}" if n else text


def _lost(n: int) -> str:
    if n == 1:
        return "The picture could not be read."
    return f"{words.count(n)} pictures could not be read."


def with_tally(card: Card, ballot: Ballot, answers: Mapping[str, int], *, is_closed: bool) -> Card:
    """The card with its live or final count; blind ballots show nothing before the close."""
    if ballot.is_blind and not is_closed:
        return card
    if ballot.ask == "importance":
        tally = " · ".join(_levels_and_more(ballot, answers))
    elif ballot.is_sheet:
        tally = sheet_card.tally(ballot, answers)
    else:
        said = {c.id: c.names or c.label.lower() for c in ballot.choices}
        said |= {f"label: {name}": f"label: {name}" for name in ballot.labels}
        parts = [f"{cut(said[a], MAX_BUTTON_TEXT)} {answers[a]}" for a in said if answers.get(a)]
        tally = " · ".join(parts) or "no votes"
    foot = card.footer.split(" · ")
    if is_closed:  # nobody need be told how to reply any more
        foot = [part for part in foot if part not in _ways_to_reply(ballot)]
    return card.model_copy(
        update={"tally": tally, "is_closed": is_closed, "footer": " · ".join(foot)}
    )


def _levels_and_more(ballot: Ballot, answers: Mapping[str, int]) -> list[str]:
    """How many levels were given, and how many people could not tell."""
    more = {c.id: c.label.lower() for c in ballot.choices}
    levels = sum(n for answer, n in answers.items() if answer not in more)
    return [
        words.plural(levels, "vote"),
        *(f"{said} {answers[answer]}" for answer, said in more.items() if answers.get(answer)),
    ]


def head(
    run: Run,
    spec: RunSpec,
    arms: Sequence[tuple[str, float, str]],
    note: str,
    outlook: Sequence[str],
    facts: Sequence[str],
) -> Card:
    """The run's first message, edited in place for as long as it lives.

    Args:
        run: the run.
        spec: what was asked for.
        arms: (name, share done in [0, 1], what it shows), in order.
        note: what happens now, in one sentence.
        outlook: what it will come to, and how much of its budget is used, as far as that is known.
        facts: what is measured and what is guessed on this host.
    """
    tones: dict[RunState, Tone] = {RunState.FINISHED: "good", RunState.FAILED: "bad"}
    return Card(
        text=f"Run {run.run_id} {run.name}: {run.state}. {note}",
        title=f"Run {run.run_id} · {run.name} · {run.state}",
        lines=(note, f"{spec.task}, {spec.model}, seed {run.seed}", *outlook),
        bars=tuple((arm_said(name, run.spec), share, shows) for name, share, shows in arms),
        footer="Energy on this host: " + "; ".join(facts),
        tone=tones.get(run.state, "run"),
        is_closed=run.state.is_final,
    )

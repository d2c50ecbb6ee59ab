"""What the bot shows and says: nouns in, cards and sentences out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from adapters.base import Button, Card, CardPart, Menu, Tone
from bot import words
from bot.opinions import Tally
from storage.energy import SHARED, EnergyTotal
from storage.models import PROVENANCE_WORDS, Ballot, Choice, FeatureView, Run, RunState, SampleView
from trainer.segment import SelectionReport
from trainer.spec import RunSpec

MAX_SAMPLE_TEXT = 1500

FITS = (
    Choice(id="yes", label="Fits", value=1.0, emoji=("up",)),
    Choice(id="no", label="Does not fit", value=-1.0, emoji=("down",)),
    Choice(id="unsure", label="Can't tell", value=None, emoji=("unsure",)),
    Choice(id="bad", label="Bad card", value=None, emoji=("bad",)),
)
"""Answers to 'does the label fit?'."""

LEVELS = tuple((str(i), text) for i, text in enumerate(
    ("does not matter", "hardly", "a little", "somewhat", "much", "matters most")
))  # fmt: skip

ARM_WORDS = {
    "human": "with your votes",
    "control": "control (nobody asked)",
    "no_votes": "label names only (nobody asked)",
    SHARED: "shared by all arms",
}

HELP = """Say `/joulery <verb>` in the channel, or the bare verb in a run's thread:
• start SPEC [seed=1] [--control] – begin a run; with a control arm beside it
• stop [RUN] – end it, its last checkpoint stays
• pause [RUN], resume [RUN] – hold it, go on
• status [RUN] – where it stands
• energy [RUN] – its joules so far
• help – this
On a card: tap an answer, or reply in its thread. `label: NAME` gives a better label."""


# --- cards --------------------------------------------------------------------------------------


def question(ballot: Ballot, spec: RunSpec, *, closes: str) -> Card:
    """A ballot as an open card."""
    if ballot.ask == "importance":
        return _feature_card(ballot, FeatureView.model_validate(ballot.view), closes)
    return _sample_card(ballot, SampleView.model_validate(ballot.view), spec, closes)


def _sample_card(ballot: Ballot, view: SampleView, spec: RunSpec, closes: str) -> Card:
    text = cut(view.text)
    many = f" · stands for {view.stands_for}" if view.stands_for > 1 else ""
    with_reactions = spec.ask.style in ("reactions", "both")
    return Card(
        text=f"Does “{view.label}” fit? {text}",
        title=f"Does “{view.label}” fit?",
        parts=(CardPart(key=ballot.subjects[0].key, text=text),),
        buttons=tuple(
            Button(id=c.id, label=c.label, emoji=c.emoji[0] if with_reactions else None)
            for c in ballot.choices
        ),
        seeds=tuple(c.emoji[0] for c in ballot.choices) if with_reactions else (),
        footer=f"{ballot.run_id} · {view.sample_id}{many} · {closes}",
        is_blind=ballot.is_blind,
        tone="question",
    )


def _feature_card(ballot: Ballot, view: FeatureView, closes: str) -> Card:
    top = max(view.shares, default=1.0) or 1.0
    return Card(
        text=f"What matters for “{view.label}”? The model leans on: {', '.join(view.features)}",
        title=f"What matters for “{view.label}”?",
        lines=("The model leans on these words. Should it?",),
        bars=tuple(
            (word, share / top, f"{100 * share:.1f} %")
            for word, share in zip(view.features, view.shares, strict=True)
        ),
        menu=Menu(
            title="How much does each word matter?",
            options=tuple((s.key, s.target) for s in ballot.subjects),
            levels=LEVELS,
        ),
        footer=f"0 = does not matter, 5 = matters most · or reply “{view.features[0]} 5” · {closes}",
        is_blind=ballot.is_blind,
        tone="question",
    )


def with_tally(card: Card, ballot: Ballot, answers: Mapping[str, int], *, is_closed: bool) -> Card:
    """The card with its live or final count; blind ballots show nothing before the close."""
    if ballot.is_blind and not is_closed:
        return card
    if ballot.ask == "importance":
        tally = words.plural(sum(answers.values()), "vote")
    else:
        labels = {c.id: c.label.lower() for c in ballot.choices}
        parts = [f"{labels[c]} {answers[c]}" for c in labels if answers.get(c)]
        tally = " · ".join(parts) or "no votes"
    return card.model_copy(update={"tally": tally, "is_closed": is_closed})


def head(
    run: Run, spec: RunSpec, arms: Sequence[tuple[str, float, str]], note: str, facts: Sequence[str]
) -> Card:
    """The run's first message, edited in place for as long as it lives.

    Args:
        run: the run.
        spec: what was asked for.
        arms: (name, share done in [0, 1], what it shows), in order.
        note: what happens now, in one sentence.
        facts: what is measured and what is guessed on this host.
    """
    tones: dict[RunState, Tone] = {RunState.FINISHED: "good", RunState.FAILED: "bad"}
    return Card(
        text=f"Run {run.run_id} {run.name}: {run.state}. {note}",
        title=f"Run {run.run_id} · {run.name} · {run.state}",
        lines=(note, f"{spec.task}, {spec.model}, seed {run.seed}"),
        bars=tuple((ARM_WORDS.get(name, name), share, shows) for name, share, shows in arms),
        footer="Energy on this host: " + "; ".join(facts),
        tone=tones.get(run.state, "run"),
        is_closed=run.state.is_final,
    )


# --- sentences ----------------------------------------------------------------------------------


def round_opened(n: int, cards: int, feature_cards: int, closes: str, *, quorum: int) -> str:
    """What is asked now, and what happens if nobody answers."""
    what = words.plural(cards, "sample card")
    if feature_cards:
        what += f" and {words.plural(feature_cards, 'feature card')}"
    return (
        f"Round {n}: {what}. Training goes on once every card has "
        f"{words.plural(quorum, 'vote')}, or {closes}. No votes: go on unchanged."
    )


def round_closed(n: int, tally: Tally, closed_by: str) -> str:
    """The count of a round."""
    why = {"quorum": "quorum reached", "deadline": "deadline passed"}.get(closed_by, closed_by)
    if tally.is_silent:
        return f"Round {n} closed ({why}): no votes, so nothing changes."
    text = (
        f"Round {n} closed ({why}): {words.plural(tally.votes, 'vote')} by "
        f"{words.plural(tally.voters, 'person', 'people')}: {tally.yes} fit, "
        f"{tally.no} do not, {tally.abstained} can't tell"
    )
    if tally.levels:
        text += f", {tally.levels} on how much a word matters"
    if tally.words:
        text += f", {tally.words} on what a label means"
    return f"{text}; agreement α {tally.alpha:.2f}." if tally.alpha is not None else f"{text}."


def selection_said(report: SelectionReport) -> str:
    """What the votes did to the pool."""
    if report.note:
        return f"{words.plural(report.votes, 'vote')}: not followed, {report.note}. The whole pool is used."
    text = (
        f"{words.plural(report.votes, 'vote')}: {words.count(report.dropped)} of "
        f"{words.count(report.pool)} samples set aside, the rest weighted by how sure the team is"
    )
    if report.reweighted:
        text += f"; {words.count(report.reweighted)} re-weighted for the words they lean on"
    if report.relabelled:
        text += f"; {words.count(report.relabelled)} relabelled"
    return f"{text}."


def skipped_said(skipped: Sequence[tuple[str, int, str]]) -> str:
    """Samples that were left out, with an example each."""
    parts = [
        f"{n} x {reason}" + (f" (e.g. “{cut(eg, 60)}”)" if eg else "") for reason, n, eg in skipped
    ]
    return f"Left out: {'; '.join(parts)}."


def energy_said(totals: Mapping[str, EnergyTotal], votes: int, people_j: float) -> str:
    """A run's joules by arm and phase, people's devices on their own line."""
    if not totals:
        return "No energy was booked yet."
    lines = []
    unit = words.unit_for(total.energy_j for total in totals.values())
    for arm, total in totals.items():
        phases = ", ".join(
            f"{phase} {words.energy(joules, unit=unit)}"
            for phase, joules in sorted(total.by_phase.items(), key=lambda e: -e[1])
            if joules >= 0.005 * total.energy_j
        )
        lines.append(f"{ARM_WORDS.get(arm, arm)}: {words.energy_total(total, unit)} – {phases}")
    labels = sorted({label for total in totals.values() for label in total.by_provenance})
    lines.append("Sources: " + "; ".join(PROVENANCE_WORDS[label] for label in labels))
    if votes:
        lines.append(
            f"Voters' devices: ≈ {words.energy(people_j)} for {words.plural(votes, 'vote')} (assumed)"
        )
    return "\n".join(lines)


def cut(text: str, limit: int = MAX_SAMPLE_TEXT) -> str:
    """The text, cut with a mark when it is too long to be read."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"

"""What an event on a card means: inbound event + ballot -> vote events. Pure.

Adapters know what was typed or pressed, this module alone knows what it says about a sample. On a
sheet of pictures a number says that this one does not fit; whatever else can be tapped or pressed
speaks of the rest, all that the same person says nothing else of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from adapters import base
from bot.grammar import Spoken, read_reply
from bot.wording import NUMBERS
from storage.models import WHOLE_CARD, Ballot, Choice, VoteEvent, VoteOp

CONFLICT = "conflict"


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of an event: marks that appeared or went, and what to whisper to the voter."""

    events: tuple[VoteEvent, ...] = ()
    hint: str = ""


def hear(
    event: base.Inbound, ballot: Ballot, standing: Sequence[VoteEvent], received_at: datetime
) -> Heard:
    """The vote events that an inbound event brings.

    Args:
        event: something that happened on one of the ballot's cards.
        ballot: what was asked.
        standing: the marks that stand on the ballot now.
        received_at: when it was committed to the inbox.
    """
    make = _Maker(ballot, event.user, event.at, received_at)
    match event:
        case base.ReactionAdded():
            return Heard(make.reaction(event.emoji))
        case base.ReactionRemoved():
            gone = make.withdrawn(standing, f"r:{event.emoji.raw}")
            return Heard(gone or make.never(event.emoji))
        case base.ReactionsCleared():
            raw = f"r:{event.emoji.raw}" if event.emoji else None
            cleared = [m for m in standing if m.mark.startswith("r:") and raw in (None, m.mark)]
            return Heard(tuple(_taken_back(mark, event.at, received_at) for mark in cleared))
        case base.ThreadReply():
            spoken = read_reply(event.text, ballot)
            return Heard(make.spoken(spoken, event.reply_id), spoken.hint)
        case base.ReplyEdited():
            spoken = read_reply(event.text, ballot)
            cast = make.spoken(spoken, event.reply_id)
            kept = {e.subject for e in cast}
            gone = make.withdrawn(standing, f"reply:{event.reply_id}", but=kept)
            return Heard((*gone, *cast), spoken.hint)
        case base.ReplyDeleted():
            # a platform may not say whose it was, but a reply's id is its own
            here, mark = event.user.partition(":")[0] + ":", f"reply:{event.reply_id}"
            theirs = [m for m in standing if m.mark == mark and m.voter.startswith(here)]
            return Heard(tuple(_taken_back(m, event.at, received_at) for m in theirs))
        case base.ButtonPressed():
            return Heard(make.button(event.choice))
        case base.FormSubmitted():
            return Heard(make.form(event.values))
        case _:
            return Heard()


def is_too_late(
    events: Sequence[VoteEvent], standing: Sequence[VoteEvent], closing_at: datetime | None
) -> bool:
    """Whether a closed round would be another with these, and nobody saw them in time.

    What stood on a card then was seen at the close, however late the news of it comes.
    """
    was_seen = closing_at is not None and all(
        e.at <= closing_at and e.mark.startswith(("r:", "reply:")) for e in events
    )
    return not was_seen and changes(events, standing)


def changes(events: Iterable[VoteEvent], standing: Sequence[VoteEvent]) -> bool:
    """Whether anything would stand otherwise: late news of what we know changes nothing."""
    known = {_name(m): m.answer for m in standing}
    return any(
        known.get(_name(e), ...) != (e.answer if e.op is VoteOp.CAST else ...) for e in events
    )


class _Maker:
    """Makes the vote events of one person at one moment."""

    def __init__(self, ballot: Ballot, voter: str, at: datetime, now: datetime) -> None:
        self._ballot, self._voter, self._at, self._now = ballot, voter, at, now

    def reaction(self, emoji: base.Emoji) -> tuple[VoteEvent, ...]:
        mark, via = f"r:{emoji.raw}", "reaction"
        if self._ballot.is_sheet and emoji.canonical in NUMBERS:
            return self._one(str(NUMBERS.index(emoji.canonical) + 1), "no", mark, via)
        choice = _by_emoji(self._ballot, emoji.canonical)
        return self._whole(choice, mark, via) if choice else ()

    def never(self, emoji: base.Emoji) -> tuple[VoteEvent, ...]:
        """A reaction that went before we heard that it came: news of it may still be under way."""
        came = self.reaction(emoji)
        return tuple(mark.model_copy(update={"op": VoteOp.WITHDRAWN}) for mark in came)

    def button(self, pressed: str) -> tuple[VoteEvent, ...]:
        key, _, choice_id = pressed.rpartition(":")
        if key:
            return self._one(key, choice_id, "button", "button")
        choice = _by_id(self._ballot, choice_id)
        # the rest keeps a mark of its own: it must not stand in for what is pressed of one
        mark = "button:rest" if self._ballot.is_sheet else "button"
        return self._whole(choice, mark, "button") if choice else ()

    def form(self, values: dict[str, str]) -> tuple[VoteEvent, ...]:
        if self._ballot.ask != "importance":
            lines = (self._one(key, said, "form", "form") for key, said in values.items())
            return tuple(event for line in lines for event in line)
        keys = {s.key for s in self._ballot.subjects}
        return tuple(
            self._cast(key, "form", int(level) / 5, level, "form")
            for key, level in values.items()
            if key in keys and level in {"0", "1", "2", "3", "4", "5"}
        )

    def _one(self, key: str, choice_id: str, mark: str, via: str) -> tuple[VoteEvent, ...]:
        """An answer for one of the subjects."""
        choice = _by_id(self._ballot, choice_id)
        if choice is None or key not in {s.key for s in self._ballot.subjects}:
            return ()
        return (self._cast(key, mark, choice.value, choice.id, via),)

    def _whole(self, choice: Choice, mark: str, via: str) -> tuple[VoteEvent, ...]:
        """An answer for the card: its only subject, the rest of a sheet, or none of its words."""
        if self._ballot.ask == "importance":
            return (self._cast(WHOLE_CARD, mark, choice.value, choice.id, via),)
        if len(self._ballot.subjects) > 1 and not self._ballot.is_sheet:
            return ()
        return self._everywhere(mark, choice.value, choice.id, via)

    def _everywhere(
        self, mark: str, value: float | None, answer: str, via: str
    ) -> tuple[VoteEvent, ...]:
        rest = {"is_rest": self._ballot.is_sheet}
        cast = (self._cast(s.key, mark, value, answer, via) for s in self._ballot.subjects)
        return tuple(event.model_copy(update=rest) for event in cast)

    def spoken(self, spoken: Spoken, reply_id: str) -> tuple[VoteEvent, ...]:
        return tuple(
            self._cast(said.subject, f"reply:{reply_id}", said.value, said.answer, "reply")
            for said in spoken.said
        )

    def conflict(self) -> tuple[VoteEvent, ...]:
        """Two answers stand and nobody knows which came last: no vote, until one goes."""
        return self._everywhere(CONFLICT, None, CONFLICT, "reaction")

    def withdrawn(
        self, standing: Iterable[VoteEvent], mark: str, but: frozenset[str] | set[str] = frozenset()
    ) -> tuple[VoteEvent, ...]:
        return tuple(
            _taken_back(m, self._at, self._now)
            for m in standing
            if m.voter == self._voter and m.mark == mark and m.subject not in but
        )

    def _cast(
        self, subject: str, mark: str, value: float | None, answer: str | None, via: str
    ) -> VoteEvent:
        return VoteEvent(
            ballot_id=self._ballot.ballot_id,
            voter=self._voter,
            subject=subject,
            mark=mark,
            op=VoteOp.CAST,
            value=value,
            answer=answer,
            via=via,
            at=self._at,
            received_at=self._now,
        )


def reconcile(
    snapshot: base.Snapshot,
    ballot: Ballot,
    standing: Sequence[VoteEvent],
    now: datetime,
    undone: Sequence[VoteEvent] = (),
) -> tuple[VoteEvent, ...]:
    """What events we missed: the difference between what stands on the card and what we know.

    An incomplete snapshot adds marks, never withdraws them; a mark that came in after the snapshot
    was asked for is left alone. Somebody found with two different answers and no order between them
    abstains under the mark `conflict`.

    Args:
        snapshot: what stands on the card.
        ballot: what was asked.
        standing: the marks that we know of.
        now: aware UTC.
        undone: marks that a command took back. One that still stands says nothing, until its
            person takes it away or changes it; from then on it is a mark like others.
    """
    known = {_name(m): m for m in (*standing, *undone) if _is_on_platform(m)}
    wanted = {_name(e): e for e in _standing_in(snapshot, ballot, known, now)}
    new = [e for key, e in wanted.items() if key not in known]
    changed = [
        e
        for key, e in wanted.items()
        if key in known
        and known[key].answer != e.answer
        and known[key].received_at <= snapshot.asked_at
    ]
    gone = [
        _gone(mark, snapshot.asked_at, now).model_copy(update={"source": "snapshot"})
        for key, mark in known.items()
        if snapshot.is_complete and key not in wanted and mark.received_at <= snapshot.asked_at
    ]
    return (*gone, *changed, *new)


def undo(marks: Iterable[VoteEvent], now: datetime) -> tuple[VoteEvent, ...]:
    """The events by which a command takes marks back, whatever stands on the platform."""
    return tuple(_gone(mark, now, now).model_copy(update={"source": "undo"}) for mark in marks)


Name = tuple[str, str, str]
Known = Mapping[Name, VoteEvent]


def _name(mark: VoteEvent) -> Name:
    return mark.voter, mark.subject, mark.mark


def _is_on_platform(mark: VoteEvent) -> bool:
    """Whether a snapshot can tell of it; what was pressed or filled in stands nowhere."""
    return mark.mark.startswith(("r:", "reply:")) or mark.mark == CONFLICT


def _standing_in(
    snapshot: base.Snapshot, ballot: Ballot, known: Known, now: datetime
) -> Iterable[VoteEvent]:
    given: dict[str, list[VoteEvent]] = {}
    for raw, users in snapshot.reactions.items():
        emoji = base.Emoji(raw=raw, canonical=snapshot.canonical.get(raw))
        for user in sorted(users):
            for event in _Maker(ballot, user, snapshot.asked_at, now).reaction(emoji):
                before = known.get(_name(event))
                counts = before is None or not before.is_undone
                if counts and event.is_rest == ballot.is_sheet:  # numbers contradict nothing
                    given.setdefault(user, []).append(event)
                yield event.model_copy(update={"source": "snapshot"})
    for user, marks in sorted(given.items()):
        if _contradict(marks) and not _are_in_order(marks, known):
            for event in _Maker(ballot, user, snapshot.asked_at, now).conflict():
                yield event.model_copy(update={"source": "snapshot"})
    for reply in snapshot.replies:
        maker = _Maker(ballot, reply.user, reply.at, now)
        for event in maker.spoken(read_reply(reply.text, ballot), reply.reply_id):
            yield event.model_copy(update={"source": "snapshot"})


def _contradict(marks: Sequence[VoteEvent]) -> bool:
    return len({mark.answer for mark in marks if mark.value is not None}) > 1


def _are_in_order(marks: Sequence[VoteEvent], known: Known) -> bool:
    """Whether we saw the newest of these marks come; one found standing may be older than it."""
    seen = [known.get(_name(mark)) for mark in marks]
    when = [mark for mark in seen if mark is not None]
    return len(when) == len(seen) and max(when, key=lambda mark: mark.at).source == "event"


def _taken_back(mark: VoteEvent, at: datetime, now: datetime) -> VoteEvent:
    """The mark withdrawn when the platform says it was: what was cast after that stands.

    A mark that a snapshot found has its time by our clock, so there the order of arrival counts.
    """
    if mark.source == "snapshot":
        return _gone(mark, at, now)
    return mark.model_copy(update={"op": VoteOp.WITHDRAWN, "at": at, "received_at": now})


def _gone(mark: VoteEvent, at: datetime, now: datetime) -> VoteEvent:
    changes = {"op": VoteOp.WITHDRAWN, "at": max(at, mark.at), "received_at": now}
    return mark.model_copy(update=changes)


def _by_emoji(ballot: Ballot, canonical: str | None) -> Choice | None:
    return next((c for c in ballot.choices if canonical is not None and canonical in c.emoji), None)


def _by_id(ballot: Ballot, choice_id: str) -> Choice | None:
    return next((c for c in ballot.choices if c.id == choice_id), None)

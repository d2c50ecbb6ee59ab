"""The port every chat platform implements: plain events in, cards out.

An adapter knows no votes, no runs and no database: it turns payloads into `Inbound` events and
`Card`s into posts. What an emoji means is `bot.votes`' business.

    ChatError                  the platform refused or failed
    ├── ChatSetupError         wrong token, scope, intent or port: a person must act
    ├── ChatRefused            this request will never work (gone channel, too large)
    └── ChatUnavailable        try again later; `retry_after_s` where the platform says when
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Literal, Protocol, runtime_checkable

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class ChatError(Exception):
    """The platform refused or failed; the text is one plain sentence with the remedy."""


class ChatSetupError(ChatError):
    """Wrong token, scope, intent or port: a person must act before it can work."""


class ChatRefused(ChatError):  # noqa: N818 -- reads as what happened
    """The platform will never accept this request as it stands."""


class ChatUnavailable(ChatError):  # noqa: N818 -- reads as what happened
    """The platform cannot be reached or asks us to wait."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Plain(BaseModel):
    """A frozen value that survives JSON both ways."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# --- where things stand -------------------------------------------------------------------------


class Ref(Plain):
    """The id of a message in the whole house, as text `platform:channel:message[:thread]`."""

    platform: str
    channel: str
    message: str
    thread: str | None = None

    def __str__(self) -> str:
        parts = [self.platform, self.channel, self.message]
        return ":".join([*parts, self.thread] if self.thread else parts)

    @classmethod
    def parse(cls, text: str) -> Ref:
        """The reference written as `text`.

        Raises:
            ValueError: it has not three or four parts.
        """
        parts = text.split(":")
        if len(parts) not in (3, 4):
            raise ValueError(f"{text!r} is no message reference; platform:channel:message expected")
        return cls(
            platform=parts[0],
            channel=parts[1],
            message=parts[2],
            thread=parts[3] if len(parts) == 4 else None,
        )


class ReplyCtx(Plain):
    """What a platform needs to answer one particular press or command, e.g. Slack's response_url.

    Short-lived: an answer that comes too late goes to the channel instead.
    """

    channel: str
    token: str = ""
    expires_at: datetime | None = None


# --- what is shown ------------------------------------------------------------------------------


class Button(Plain):
    """One answer offered on a card."""

    id: str
    label: str
    emoji: str | None = None  # canonical name of the reaction that means the same
    part: str = ""  # key of the only thing on the card that it speaks of: a mark like others, that
    # stands beside any answer; its id is then `<key>:<level of the card's menu>`


class Menu(Plain):
    """A form with one level (0 to 5) per option."""

    title: str
    options: tuple[tuple[str, str], ...]  # (key, label), at most 25
    levels: tuple[tuple[str, str], ...]  # (value, label)


class Picture(Plain):
    """A picture on disk with the words for those who cannot see it."""

    path: str
    alt: str
    title: str = ""


MAX_PICTURE = 10 * 1024 * 1024
"""Bytes of a picture that every platform takes."""


class CardPart(Plain):
    """One subject on a card: a sample, a picture, or one side of a pair."""

    key: str
    title: str = ""
    text: str = ""
    note: str = ""


Tone = Literal["question", "run", "good", "bad", "plain"]


class Card(Plain):
    """A question or announcement as the platforms draw it.

    All texts are untrusted plain text: each platform escapes them in its own way.
    """

    text: str  # plain fallback, always set
    title: str = ""
    parts: tuple[CardPart, ...] = ()
    bars: tuple[tuple[str, float, str], ...] = ()  # (label, share in [0, 1], note): a small chart
    lines: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    buttons: tuple[Button, ...] = ()
    menu: Menu | None = None
    seeds: tuple[str, ...] = ()  # canonical emoji the bot places itself
    footer: str = ""
    until: datetime | None = (
        None  # until when it takes answers: for readers' own clocks, where known
    )
    tally: str = ""  # the count in words, once there is one to show
    tone: Tone = "plain"
    is_blind: bool = False  # nobody sees counts or names before the card is closed
    is_closed: bool = False


class Series(Plain):
    """One line of a chart."""

    name: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    is_dashed: bool = False


class Board(Plain):
    """A live chart beside the channel, for platforms that can draw one."""

    board_id: str
    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    facts: tuple[tuple[str, str], ...] = ()  # (what, value with unit and source)


class HomeSection(Plain):
    """A heading with lines under it."""

    title: str
    lines: tuple[str, ...] = ()


class Home(Plain):
    """One person's own page: the team's runs, their own votes. Nobody else sees it."""

    title: str
    sections: tuple[HomeSection, ...]


# --- what comes in ------------------------------------------------------------------------------


CANONICAL_EMOJI = (
    "up", "down", "unsure", "bad", "fire", "same",
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    *"abcdefghijkl",
)  # fmt: skip
"""What the house calls the emoji that can mean something."""


class Emoji(Plain):
    """An emoji as the platform spelt it and as the house calls it; None = means nothing."""

    raw: str
    canonical: str | None = None


class _Event(Plain):
    event_id: str  # unique per platform; a repeat is the same event
    user: str  # "<platform>:<user>"
    at: datetime  # aware UTC
    ref: Ref  # the card or message it is about
    is_platform_time: bool = True
    user_name: str = ""
    timezone: str = ""  # their own, IANA; "" where nobody says
    locale: str = ""  # in which their dates are written, e.g. de-DE
    groups: tuple[str, ...] | None = None  # all they are in just now; None where nobody says


class ReactionAdded(_Event):
    """Somebody put an emoji on a message."""

    kind: Literal["reaction_added"] = "reaction_added"
    emoji: Emoji


class ReactionRemoved(_Event):
    """Somebody took an emoji back."""

    kind: Literal["reaction_removed"] = "reaction_removed"
    emoji: Emoji


class ReactionsCleared(_Event):
    """A moderator removed all reactions, or all of one emoji."""

    kind: Literal["reactions_cleared"] = "reactions_cleared"
    emoji: Emoji | None = None


class ThreadReply(_Event):
    """A text in a card's or a run's thread; `ref` is the thread's first message."""

    kind: Literal["thread_reply"] = "thread_reply"
    reply_id: str
    text: str


class ReplyEdited(_Event):
    """A text in a thread was changed."""

    kind: Literal["reply_edited"] = "reply_edited"
    reply_id: str
    text: str


class ReplyDeleted(_Event):
    """A text in a thread was taken back."""

    kind: Literal["reply_deleted"] = "reply_deleted"
    reply_id: str


class ButtonPressed(_Event):
    """Somebody pressed a button of a card."""

    kind: Literal["button_pressed"] = "button_pressed"
    choice: str
    ctx: ReplyCtx | None = None


class FormSubmitted(_Event):
    """Somebody filled in a card's menu."""

    kind: Literal["form_submitted"] = "form_submitted"
    values: dict[str, str]
    ctx: ReplyCtx | None = None


class CommandInvoked(_Event):
    """Somebody gave a command: `/joulery <words>`, or `@Joulery <words>`.

    For a command outside a thread `ref` names the channel with an empty message.
    """

    kind: Literal["command"] = "command"
    words: str
    is_bare: bool = False  # written as a message, which others can read where it stands
    ctx: ReplyCtx | None = None


class HomeOpened(_Event):
    """Somebody looks at their own page; `ref` has an empty message."""

    kind: Literal["home_opened"] = "home_opened"


class CardDeleted(_Event):
    """One of our own messages was deleted."""

    kind: Literal["card_deleted"] = "card_deleted"


class Reconnected(_Event):
    """The connection was lost since `gap_since`: look at everything again."""

    kind: Literal["reconnected"] = "reconnected"
    gap_since: datetime | None = None


Inbound = Annotated[
    ReactionAdded
    | ReactionRemoved
    | ReactionsCleared
    | ThreadReply
    | ReplyEdited
    | ReplyDeleted
    | ButtonPressed
    | FormSubmitted
    | CommandInvoked
    | HomeOpened
    | CardDeleted
    | Reconnected,
    Field(discriminator="kind"),
]

INBOUND: TypeAdapter[Inbound] = TypeAdapter(Inbound)
"""Reads an inbound event back from the JSON the inbox keeps."""

Sink = Callable[[Inbound], Awaitable[None]]
"""Commits an event; what it returns from is safe, what it raises from was not recorded."""


class Reply(Plain):
    """A text that stands in a thread."""

    reply_id: str
    user: str
    text: str
    at: datetime


class Snapshot(Plain):
    """All that stands on a message now: the truth when a ballot closes.

    Reactions map the raw spelling to human users; the bot's own and other bots' are left out.
    An incomplete snapshot may add votes, never withdraw them.
    """

    reactions: Mapping[str, frozenset[str]]
    canonical: Mapping[str, str | None]  # raw spelling -> canonical name
    replies: tuple[Reply, ...]
    is_complete: bool
    asked_at: datetime  # by our clock, like the time an event was received


class Caps(Plain):
    """What a platform can do; the renderer and the outbox adapt to it."""

    max_text: int
    max_buttons: int
    max_menu: int
    has_threads: bool = True
    has_ephemeral: bool = True
    reads_text: bool = True
    is_idempotent: bool = False  # a repeated key returns the first post by itself
    min_interval_s: float = 1.0  # between posts to one channel
    hides_reactions: bool = False  # on a blind card nobody sees another's


class Health(Plain):
    """How a platform is doing, for `status` and `/health`."""

    is_connected: bool
    detail: str = ""


class ChatPlatform(Protocol):
    """A place where people talk. All methods raise `ChatError` and its kinds, nothing else."""

    name: str
    caps: Caps

    async def connect(self, sink: Sink) -> None:
        """Return when events flow. Raises ChatSetupError on a bad token, scope or port."""

    async def close(self) -> None:
        """Stop receiving; what was received is committed."""

    async def post_card(self, channel: str, card: Card, key: str) -> Ref:
        """Post a card once: a second call with the same key returns the first message."""

    async def find_post(self, channel: str, key: str) -> Ref | None:
        """The message posted under `key`, if it stands: asked before a second attempt."""

    async def edit_card(self, ref: Ref, card: Card) -> None:
        """Replace a card in place."""

    async def say(
        self, where: str | Ref, text: str, key: str, *, pictures: Sequence[Picture] = ()
    ) -> Ref:
        """Say something in a channel, or in the thread of a message."""

    async def edit_text(self, ref: Ref, text: str) -> None:
        """Replace something said in place; its pictures stay as they were posted."""

    async def whisper(self, user: str, where: str | Ref, text: str, ctx: ReplyCtx | None) -> bool:
        """Tell one person something only they can see; False when there is no way to."""

    async def snapshot(self, ref: Ref) -> Snapshot:
        """All reactions by user and all replies that stand on a card now."""

    def health(self) -> Health:
        """Connected or not, and why."""


@runtime_checkable
class HasBoard(Protocol):
    """A platform that can draw a live chart beside the channel."""

    async def show_board(self, board: Board) -> None:
        """Show or replace the chart with this id."""


@runtime_checkable
class HasHome(Protocol):
    """A platform with a page of one's own for each person."""

    async def show_home(self, user: str, home: Home) -> None:
        """Show or replace somebody's page."""


@runtime_checkable
class HasGroups(Protocol):
    """A platform whose administrators keep groups of people, which access lists may name."""

    def is_group(self, member_id: str) -> bool:
        """Whether an id means a group."""

    async def members(self, group: str) -> frozenset[str] | None:
        """The member ids of a group such as `slack:S012`; None when there is no such group.

        Raises:
            ChatError: it cannot be asked right now, or may not be.
        """


@runtime_checkable
class ForgetsPeople(Protocol):
    """A platform of our own, which itself keeps what people are called."""

    async def forget(self, user: str, pseudonym: str) -> None:
        """Put a pseudonym in somebody's place there, for good; who is not known stays so.

        Raises:
            ChatError: not now.
        """


@runtime_checkable
class KnowsPeople(Protocol):
    """A platform that can say who there is by name."""

    async def people(self, like: str) -> Mapping[str, tuple[str, ...]]:
        """Member id -> all that somebody is called, of everybody who may be meant by a name.

        Raises:
            ChatError: it cannot be asked right now.
        """


class Option(Plain):
    """Something that is given to a command.

    How it is written in words: `value`, or `name=value`, or `--name` for a flag.
    """

    name: str
    about: str
    kind: Literal["text", "number", "flag", "member"] = "text"
    is_named: bool = False  # written `name=value`
    is_required: bool = False
    choices: tuple[str, ...] = ()
    completes: bool = False  # what may be meant is offered while it is typed


class Verb(Plain):
    """A command that people may give."""

    name: str
    about: str
    options: tuple[Option, ...] = ()


Complete = Callable[[str, str, str], Awaitable[Sequence[str]]]
"""(verb, option, what was typed) -> what may be meant, best first."""


@runtime_checkable
class HasVerbs(Protocol):
    """A platform that shows people which commands there are."""

    def learn(self, verbs: Sequence[Verb], complete: Complete) -> None:
        """Before `connect`: what there is to show."""

"""Every command there is: its options, who may give it, what help says of it. Pure.

One entry here and one function in `bot.commands` make a verb; platforms show these, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from adapters.base import Option, Verb
from bot.messages import HELP_ON_CARDS

Who = Literal["all", "operators", "admins"]
Of = Literal["nothing", "run", "any run"]


@dataclass(frozen=True, slots=True)
class Spoken:
    """A command as people say it.

    Attributes:
        shown: its name and options.
        help: its line of the help text; it starts with what is typed after the name.
        who: who may say it.
        of: what it is about: nothing, a run under way, or any run; which one may be left out.
        has_words: whether words that are no run's name may stand among its names, too.
        most_names: how many names it takes.
        is_bare: whether it is understood in a run's thread without `/joulery`.
        is_private: whether its answer is nobody else's business.
        confirms: what is asked back before it is done, with {run}, and {amount} of a budget; `--yes`
            skips it.
        others: who may say it of somebody else; nobody where it is about nobody.
        confirms_others: what is asked back where it is about somebody else, with {who}, too.
    """

    shown: Verb
    help: str
    who: Who = "operators"
    of: Of = "run"
    has_words: bool = False
    most_names: int = 1
    is_bare: bool = False
    is_private: bool = False
    confirms: str = ""
    others: Who | None = None
    confirms_others: str = ""

    def asks_back(self, *, is_about_other: bool) -> bool:
        """Whether something is asked back before it is done."""
        return bool(self.confirms_others if is_about_other else self.confirms)


RUN: Final = Option(
    name="run", about="which run, such as r3; left out: the one under way", completes=True
)
ANY_RUN: Final = Option(
    name="run", about="which run, such as r3; left out: the newest", completes=True
)
YES: Final = Option(name="yes", about="without being asked back", kind="flag")

ALL: Final = (
    Spoken(
        Verb(
            name="start",
            about="begin a run",
            options=(
                Option(name="spec", about="of what", is_required=True, completes=True),
                Option(name="seed", about="of its random choices", kind="number", is_named=True),
                Option(name="budget", about="0.5kWh, 90min or 0.2kgCO2e at most", is_named=True),
                Option(name="control", about="train a control arm beside it", kind="flag"),
            ),
        ),
        help="SPEC [seed=1] [budget=0.5kWh] [--control] – begin a run; with a control arm beside it",
        of="nothing",
    ),
    Spoken(
        Verb(
            name="stop",
            about="end a run; its last checkpoint stays",
            options=(RUN, Option(name="later", about="at its next pause", kind="flag"), YES),
        ),
        help="[RUN] [--later] – end it, its last checkpoint stays; at its next pause with --later",
        is_bare=True,
        confirms="Stop run {run} for good?",
    ),
    Spoken(
        Verb(name="pause", about="hold a run", options=(RUN,)),
        help="[RUN] – hold it",
        is_bare=True,
    ),
    Spoken(
        Verb(
            name="resume",
            about="let a run go on",
            options=(
                RUN,
                Option(
                    name="from", about="an earlier checkpoint: its samples, or best", is_named=True
                ),
            ),
        ),
        help="[RUN] [from=600] – go on; from an earlier checkpoint: by its samples, or from=best",
        is_bare=True,
    ),
    Spoken(
        Verb(name="ask", about="open a round of questions now", options=(RUN,)),
        help="[RUN] – open a round of questions now, at its next step",
        is_bare=True,
    ),
    Spoken(
        Verb(name="queue", about="who trains and who waits for the device"),
        help="– who trains, and who waits for the device and for how long",
        who="all",
        of="nothing",
        is_bare=True,
    ),
    Spoken(
        Verb(name="status", about="where a run stands", options=(ANY_RUN,)),
        help="[RUN] – where it stands",
        who="all",
        of="any run",
        is_bare=True,
    ),
    Spoken(
        Verb(
            name="budget",
            about="what a run may cost at most",
            options=(RUN, Option(name="amount", about="0.5kWh, 90min or 0.2kgCO2e")),
        ),
        help="[RUN] 0.5kWh – what it may cost at most (or 90min, or 0.2kgCO2e)",
        has_words=True,
        most_names=3,  # the amount may have a space in it
        confirms="Set the budget of run {run} to {amount}?",
    ),
    Spoken(
        Verb(
            name="energy",
            about="joules so far",
            options=(Option(name="of", about="a run, day or week", completes=True),),
        ),
        help="[RUN], energy day, energy week – joules so far",
        who="all",
        of="any run",
        has_words=True,
        is_bare=True,
    ),
    Spoken(
        Verb(
            name="why",
            about="why a sample is kept or set aside, and by whose votes",
            options=(Option(name="sample", about="its id, as its card shows it"), ANY_RUN),
        ),
        help="SAMPLE [RUN] – why it is kept or set aside; in a card's thread alone",
        who="all",
        of="any run",
        has_words=True,
        most_names=2,
    ),
    Spoken(
        Verb(name="votes", about="who voted how often, and how far they agree", options=(ANY_RUN,)),
        help="[RUN] – who voted how often, and how far they agree",
        who="all",
        of="any run",
        is_bare=True,
    ),
    Spoken(
        Verb(name="me", about="what your own votes are worth; only you see it", options=(ANY_RUN,)),
        help="[RUN] – what your own votes are worth; only you see it",
        who="all",
        of="any run",
        is_bare=True,
        is_private=True,
    ),
    Spoken(
        Verb(
            name="undo",
            about="take your last answer back, or all on a card, or all of a run",
            options=(
                Option(name="what", about="how much", choices=("card", "all")),
                Option(name="who", about="an admin may say of whom", kind="member"),
                ANY_RUN,
                YES,
            ),
        ),
        help="[card or all] [RUN] – take your last answer back, or more; admins: undo @SOMEBODY [RUN]",
        who="all",
        of="any run",
        has_words=True,
        most_names=3,
        is_bare=True,
        is_private=True,
        others="admins",
        confirms_others="Take all votes of {who} in run {run} back?",
    ),
    Spoken(
        Verb(name="plot", about="the metric over energy, as a picture", options=(ANY_RUN,)),
        help="[RUN] – the metric over energy, as a picture",
        who="all",
        of="any run",
        is_bare=True,
    ),
    Spoken(
        Verb(
            name="allow",
            about="say who may do what; alone it tells",
            options=(
                Option(name="who", about="a person or a role", kind="member"),
                Option(
                    name="role",
                    about="what they may do",
                    choices=("admin", "operator", "voter", "nothing"),
                ),
            ),
        ),
        help="WHO admin, operator, voter or nothing – who may do what; allow alone says it",
        who="admins",
        of="nothing",
        most_names=9,  # a person's name may have spaces in it
    ),
    Spoken(
        Verb(
            name="link",
            about="make two accounts of yours one person",
            options=(Option(name="code", about="what the other account was told"),),
        ),
        help="– make two accounts of yours one person",
        who="all",
        of="nothing",
        is_private=True,
    ),
    Spoken(
        Verb(
            name="clock",
            about="your own time zone and language for times; alone it tells",
            options=(
                Option(name="zone", about="such as Europe/Berlin; auto = as your chat says"),
                Option(name="language", about="such as de or en-US"),
            ),
        ),
        help="[Europe/Berlin] [de] – your own clock in what you alone are told; auto: as your chat says",
        who="all",
        of="nothing",
        most_names=2,
        is_private=True,
    ),
    Spoken(
        Verb(name="optout", about="be neither reminded nor named; what you answer counts"),
        help="– be neither reminded nor named; what you answer counts",
        who="all",
        of="nothing",
        is_private=True,
    ),
    Spoken(
        Verb(name="optin", about="be reminded and named again"),
        help="– be reminded and named again",
        who="all",
        of="nothing",
        is_private=True,
    ),
    Spoken(
        Verb(
            name="forget",
            about="your name is removed, your votes stay without it",
            options=(Option(name="who", about="me", choices=("me",)),),
        ),
        help="me – your name is removed everywhere, your votes stay without it",
        who="all",
        of="nothing",
        is_private=True,
    ),
    Spoken(
        Verb(
            name="verbosity",
            about="how much a channel hears; alone it tells",
            options=(Option(name="level", about="how much", choices=("quiet", "normal", "all")),),
        ),
        help="quiet, normal or all – how much this channel hears; verbosity alone says it",
        of="nothing",
    ),
    Spoken(
        Verb(name="help", about="what there is to say"),
        help="– this",
        who="all",
        of="nothing",
        is_bare=True,
    ),
)

BY_NAME: Final = {spoken.shown.name: spoken for spoken in ALL}
SHOWN: Final = tuple(spoken.shown for spoken in ALL)
HELP: Final = "\n".join(
    (
        "Say `/joulery <verb>` in the channel, or the bare verb in a run's thread:",
        *(f"• {spoken.shown.name} {spoken.help}" for spoken in ALL),
        HELP_ON_CARDS,
    )
)

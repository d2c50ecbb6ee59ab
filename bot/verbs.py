"""The commands with their options, for platforms that show them: what `bot.commands` understands. Pure."""

from __future__ import annotations

from typing import Final

from adapters.base import Option, Verb

RUN: Final = Option(
    name="run", about="which run, such as r3; left out: the one under way", completes=True
)

SHOWN: Final = (
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
    Verb(
        name="stop",
        about="end a run; its last checkpoint stays",
        options=(RUN, Option(name="yes", about="without being asked back", kind="flag")),
    ),
    Verb(name="pause", about="hold a run", options=(RUN,)),
    Verb(name="resume", about="let a run go on", options=(RUN,)),
    Verb(
        name="budget",
        about="what a run may cost at most",
        options=(RUN, Option(name="amount", about="0.5kWh, 90min or 0.2kgCO2e")),
    ),
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
    Verb(name="status", about="where a run stands", options=(RUN,)),
    Verb(
        name="energy",
        about="joules so far",
        options=(Option(name="of", about="a run, day or week", completes=True),),
    ),
    Verb(
        name="link",
        about="make two accounts of yours one person",
        options=(Option(name="code", about="what the other account was told"),),
    ),
    Verb(name="help", about="what there is to say"),
)

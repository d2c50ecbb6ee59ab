"""Words to commands: `start demo seed=1 --control`. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bot import cutting
from bot.energy.budget import KINDS as UNITS
from bot.verbs import ALL, BY_NAME

FLAGS: Final = frozenset(o.name for s in ALL for o in s.shown.options if o.kind == "flag")
OPTIONS: Final = frozenset(o.name for s in ALL for o in s.shown.options if o.is_named)
DASHES: Final = "-–—"
"""Chats like to turn two hyphens into a dash."""
SOMEBODY: Final = re.compile(r"[a-z]+:[\w.-]{1,80}")
"""A person, as platforms spell a mention."""
ON_CARD: Final = re.compile(r"why(\s+#?\d{1,2})?|undo(\s+card)?", re.IGNORECASE)
AMOUNT: Final = re.compile(r"\W*budget=[\d.,]+", re.IGNORECASE)
"""A budget whose unit comes after a space."""
TIMES: Final = frozenset({"day", "week"})
"""What energy may be asked of instead of a run."""
MAX_CONFIRMED: Final = 40
"""Characters of a run or an amount: a button that confirms them carries them in full."""


class CommandError(Exception):
    """The command cannot be done; the text says why and what to say instead."""


@dataclass(frozen=True, slots=True)
class Command:
    """A verb with its arguments: `start demo seed=1 --control`."""

    verb: str
    names: tuple[str, ...] = ()
    options: dict[str, str] = field(default_factory=dict)
    flags: frozenset[str] = frozenset()


def parse(text: str) -> Command:
    """The command in `text`, `/joulery` in front or not.

    Raises:
        CommandError: nothing that we know.
    """
    try:
        parts = [p for p in shlex.split(text.strip().removeprefix("/joulery")) if p]
    except ValueError:
        raise CommandError("a quote is not closed; write the command without quotes") from None
    if not parts:
        return Command("help")
    verb, *rest = parts
    spoken = BY_NAME.get(verb.lower())
    if spoken is None:
        raise CommandError(f"I don't know “{cutting.cut(verb, 30)}”; say {', '.join(BY_NAME)}")
    rest = _joined(rest)
    flags = frozenset(p.lstrip(DASHES).lower() for p in rest if p[0] in DASHES and "=" not in p)
    options = dict(p.lstrip(DASHES).split("=", 1) for p in rest if "=" in p)
    names = tuple(p for p in rest if "=" not in p and p[0] not in DASHES)
    too_long = next((name for name in names if len(name) > MAX_CONFIRMED), None)
    if too_long is not None and (spoken.confirms or spoken.confirms_others):
        raise CommandError(f"“{cutting.cut(too_long, 30)}” is too long")
    known_flags = {o.name for o in spoken.shown.options if o.kind == "flag"}
    known_options = {o.name for o in spoken.shown.options if o.is_named}
    unknown = [*(flags - known_flags - {"yes"}), *(options.keys() - known_options)]
    if unknown:
        there_is = [f"--{f}" for f in sorted(known_flags)]
        there_is += [f"{o}=..." for o in sorted(known_options)]
        there = f"there is {', '.join(there_is)}" if there_is else f"{verb.lower()} takes none"
        raise CommandError(f"I don't know “{cutting.cut(unknown[0], 30)}”; {there}")
    if len(names) > spoken.most_names:
        extra = names[spoken.most_names]
        hint = f"; did you mean --{extra}?" if extra.lower() in FLAGS else ""
        raise CommandError(f"I don't know what “{cutting.cut(extra, 30)}” means there{hint}")
    return Command(verb.lower(), names, options, flags)


def _joined(parts: Sequence[str]) -> list[str]:
    """`--seed 1` as `seed=1` and `budget=1 kWh` as `budget=1kWh`, which mean the same."""
    found: list[str] = []
    for part in parts:
        before = found[-1].lstrip(DASHES).lower() if found and found[-1][0] in DASHES else ""
        if before in OPTIONS:
            found[-1] = f"{before}={part}"
        elif found and AMOUNT.fullmatch(found[-1]) and part.lower() in UNITS:
            found[-1] += part
        else:
            found.append(part)
    return found


def somebody_else(command: Command, user: str) -> str | None:
    """The other person a command is about; None where it is about nobody, or about who says it."""
    if BY_NAME[command.verb].others is None:
        return None
    named = (name for name in command.names if SOMEBODY.fullmatch(name))
    return next((name for name in named if name != user), None)


def on_card(text: str) -> bool:
    """Whether a whole message in a card's thread asks about the card: `why`, `why 3`, `undo`."""
    return ON_CARD.fullmatch(text.strip()) is not None


def first_word(text: str) -> str:
    """The verb of a command that may be none."""
    return next(iter(text.strip().removeprefix("/joulery").lower().split()), "help")


def bare(text: str) -> str | None:
    """The verb, when a whole message in a run's thread is nothing but one."""
    spoken = BY_NAME.get(word := text.strip().lower())
    return word if spoken is not None and spoken.is_bare else None


def amount_of(names: Sequence[str]) -> str:
    """What a budget is to be, `1 kWh` as `1kWh`; "" where it is only asked for."""
    return "".join(name for name in names if not is_run(name))


def is_about_time(command: Command) -> bool:
    """Whether `energy` is asked of a day or a week, not of a run."""
    return command.verb == "energy" and any(n.lower() in TIMES for n in command.names)


def is_run(name: str) -> bool:
    """Whether a word is the name of a run, such as r12."""
    return name[:1] == "r" and name[1:].isdigit()


def read_seed(text: str | None) -> int | None:
    """The seed somebody typed; None where they left it to the spec.

    Raises:
        CommandError: it is none.
    """
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise CommandError(f"seed={cutting.cut(text, 20)}: give a whole number, e.g. seed=1")
    return int(text)

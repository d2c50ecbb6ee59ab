"""Words to runs and back: `start demo seed=1`, `pause r3`, `status`.

Every command, allowed or not, is audited and shown in the run's thread; answers are one message.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from adapters.base import ButtonPressed, CommandInvoked, ThreadReply
from bot import accounts, confirming, messages, metrics, outgoing, words
from bot.access import Access
from bot.doorkeeper import AllowError, Doorkeeper
from bot.energy import summaries
from bot.energy.budget import BudgetError
from bot.house import House
from bot.linking import LinkError, Links
from bot.rounds import Rounds
from bot.wording import arm_said, kind_of
from storage.database import StoreError
from storage.models import OutboxItem, Posting, Run
from trainer.spec import RUN_NAME, SpecError, read_spec

log = logging.getLogger(__name__)

VERBS = (
    "start", "stop", "pause", "resume", "budget", "allow", "status", "energy", "link", "help",
)  # fmt: skip
FLAGS = frozenset({"control", "yes"})
OPTIONS = frozenset({"seed", "budget"})
DASHES = "-–—"
"""Chats like to turn two hyphens into a dash."""
MOST_NAMES = {"budget": 3, "allow": 2}
"""How many names a verb takes, where it is not one: a run and an amount, maybe with a space in it."""
BARE_VERBS = frozenset({"stop", "pause", "resume", "status", "energy", "help"})
"""Verbs that need no argument: in a run's thread they are understood without `/joulery`."""


PRIVATE = frozenset({"link"})
"""Verbs whose answers are nobody else's business."""
MAX_CONFIRMED = 40
"""Characters of a run or an amount: a button that confirms them carries them in full."""

CONFIRMED = {
    "stop": "Stop run {run} for good?",
    "budget": "Change the budget of run {run}: {words}?",
}
"""Verbs that are asked back about, and how; `--yes` says it at once."""
PERIODS = frozenset({"run", "day", "week"})
"""What energy may be asked of instead of a run by name."""


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
    if verb.lower() not in VERBS:
        raise CommandError(f"I don't know “{messages.cut(verb, 30)}”; say {', '.join(VERBS)}")
    rest = _joined(rest)
    flags = frozenset(p.lstrip(DASHES).lower() for p in rest if p[0] in DASHES and "=" not in p)
    options = dict(p.lstrip(DASHES).split("=", 1) for p in rest if "=" in p)
    names = tuple(p for p in rest if "=" not in p and p[0] not in DASHES)
    too_long = next((name for name in names if len(name) > MAX_CONFIRMED), None)
    if too_long is not None and verb.lower() in CONFIRMED:
        raise CommandError(f"“{messages.cut(too_long, 30)}” is too long")
    unknown = [*(flags - FLAGS), *(options.keys() - OPTIONS)]
    if unknown:
        known = ", ".join(
            [*(f"--{flag}" for flag in sorted(FLAGS)), *(f"{o}=..." for o in sorted(OPTIONS))]
        )
        raise CommandError(f"I don't know “{messages.cut(unknown[0], 30)}”; there is {known}")
    most = MOST_NAMES.get(verb.lower(), 1)
    if len(names) > most:
        hint = f"; did you mean --{names[most]}?" if names[most].lower() in FLAGS else ""
        raise CommandError(f"I don't know what “{messages.cut(names[most], 30)}” means there{hint}")
    return Command(verb.lower(), names, options, flags)


def _joined(parts: Sequence[str]) -> list[str]:
    """`--seed 1` as `seed=1`, which means the same."""
    found: list[str] = []
    for part in parts:
        before = found[-1].lstrip(DASHES).lower() if found and found[-1][0] in DASHES else ""
        if before in OPTIONS:
            found[-1] = f"{before}={part}"
        else:
            found.append(part)
    return found


def bare(text: str) -> str | None:
    """The verb, when a whole message in a run's thread is nothing but one."""
    word = text.strip().lower()
    return word if word in BARE_VERBS else None


class Commands:
    """Carries out what people ask for."""

    def __init__(self, house: House, rounds: Rounds, access: Access, door: Doorkeeper) -> None:
        self._house, self._rounds, self._access, self._door = house, rounds, access, door
        self._do: dict[str, Callable[[str, Command, Run | None], Awaitable[str]]] = {
            "start": self._start,
            "stop": self._stop,
            "pause": self._pause,
            "resume": self._resume,
            "budget": self._budget,
            "allow": self._allow,
            "status": self._status,
            "energy": self._energy,
            "link": self._link,
            "help": self._help,
        }
        self._links = Links(house.now)

    async def hear(self, event: CommandInvoked | ThreadReply, posting: Posting | None) -> None:
        """Do what a command says and answer it, once."""
        house = self._house
        text = event.words if isinstance(event, CommandInvoked) else event.text
        run_id = posting.run_id if posting else None
        if (asked := await self._to_confirm(event.user, text, run_id)) is not None:
            await self._ask(event, *asked)
            return
        answer, is_allowed = await self._answer(event.user, text, run_id)
        await self._audit(event.user, text, run_id, answer, is_allowed=is_allowed)
        key = f"answer:{event.ref.platform}:{event.event_id}"
        if not is_allowed or _verb(text) in PRIVATE:
            ctx = event.ctx if isinstance(event, CommandInvoked) else None
            items = [outgoing.whisper(key, event.user, event.ref, answer, ctx)]
            items += [] if is_allowed else await self._denied_items(event, text, run_id)
            await house.office.queue(*items)
            return
        thread = outgoing.head_key(run_id, event.ref.platform) if run_id else None
        await house.office.queue(
            outgoing.say(key, event.ref.platform, event.ref.channel, answer, thread=thread)
        )

    async def confirm(self, event: ButtonPressed, posting: Posting) -> None:
        """Do what somebody asked for, now that they say that they mean it; once."""
        house, wish = self._house, confirming.read(event.choice)
        if wish is None:
            return
        if event.user != wish.user:
            text = f"Only {wish.user}, who asked for it, can answer that."
            key = f"confirm-not:{posting.key}:{event.user}"
            await house.office.queue(outgoing.whisper(key, event.user, event.ref, text, event.ctx))
            return
        if not await house.call(house.store.upkeep.once, posting.key, house.now()):
            return
        if event.at > wish.until:
            answer = f"Not done: the answer came after {confirming.LIFE.seconds} s; say it again."
        elif not wish.is_meant:
            answer = "Not done: you said no."
        else:
            answer, is_allowed = await self._answer(wish.user, wish.words, posting.run_id)
            await self._audit(wish.user, wish.words, posting.run_id, answer, is_allowed=is_allowed)
        card = confirming.answered(f"“{wish.words}”", answer)
        platform, channel = posting.platform, posting.channel
        await house.office.queue(outgoing.edit(posting.key, platform, channel, card))

    async def _to_confirm(self, user: str, text: str, run_id: str | None) -> tuple[str, Run] | None:
        """The command and its run, where it cannot be undone and is not asked for twice."""
        try:
            command = parse(text)
            if "yes" in command.flags or self._access.may_command(user, command.verb):
                return None
            if command.verb == "budget" and not self._rounds.budgets.check(_amount(command)):
                return None
            if command.verb not in CONFIRMED:
                return None
            run = await self._run(command, run_id)
        except (CommandError, BudgetError, StoreError):
            return None  # the answer says what is wrong with it
        if run is None or run.state.is_final:
            return None
        words = [command.verb, run.run_id, *(n for n in command.names if not is_run(n))]
        return " ".join(words), run

    async def _ask(self, event: CommandInvoked | ThreadReply, words: str, run: Run) -> None:
        house, name = self._house, event.user_name or event.user
        wish = confirming.Wish(words, event.user, house.now() + confirming.LIFE)
        asked = CONFIRMED[words.partition(" ")[0]].format(run=run.run_id, words=words)
        await self._audit(event.user, words, run.run_id, "asked to confirm", is_allowed=True)
        key, card = confirming.key(event.event_id), confirming.question(asked, wish, name)
        platform, channel = event.ref.platform, event.ref.channel
        await house.office.queue(
            outgoing.post(key, platform, channel, card, run_id=run.run_id),
            *outgoing.in_thread(
                house.channels, run.run_id, f"asked:{event.event_id}",
                f"{name} said “{words}” and is asked to confirm it.",
            ),
        )  # fmt: skip

    async def _audit(
        self, user: str, text: str, run_id: str | None, answer: str, *, is_allowed: bool
    ) -> None:
        house = self._house
        await house.call(
            house.store.upkeep.audit,
            at=house.now(),
            member_id=user,
            words=messages.cut(text, 200),
            run_id=run_id,
            is_allowed=is_allowed,
            answer=answer,
        )

    async def _denied_items(
        self, event: CommandInvoked | ThreadReply, text: str, run_id: str | None
    ) -> list[OutboxItem]:
        """What the team sees of a command that was not allowed, in the thread of its run."""
        named = [word for word in text.split() if is_run(word)]
        about = named[0] if named else run_id
        if about is None or await self._house.call(self._house.store.runs.get, about) is None:
            return []
        name = event.user_name or event.user
        said = f"{name} said “{messages.cut(text, 60)}” and is not allowed to."
        key = f"denied:{event.ref.platform}:{event.event_id}"
        return outgoing.in_thread(self._house.channels, about, key, said)

    async def _answer(self, user: str, text: str, run_id: str | None) -> tuple[str, bool]:
        try:
            command = parse(text)
            denied = self._access.may_command(user, command.verb)
            if denied:
                return f"Not done: {denied}.", False
            run = await self._run(command, run_id)
            return await self._do[command.verb](user, command, run), True
        except (CommandError, AllowError, BudgetError, LinkError, SpecError, StoreError) as err:
            return f"Not done: {err}", True
        except Exception:  # people in chat get an answer, the log gets the traceback
            log.exception("command failed", extra={"words": text[:200]})
            return "Not done: something went wrong on our side; the bot's log has it.", True

    async def _run(self, command: Command, run_id: str | None) -> Run | None:
        """The run a command is about: named, or of this thread, or the only one under way."""
        store = self._house.store.runs
        if command.verb in ("start", "allow", "link", "help"):
            return None
        name = command.names[0] if command.names else run_id
        if command.verb == "energy" and (name or "").lower() in PERIODS:
            name = run_id
        if command.verb == "budget" and name is not None and not is_run(name):
            name = run_id  # an amount alone, for the run of this thread
        if name is not None:
            run = await self._house.call(store.get, name)
            if run is None:
                raise CommandError(f"there is no run {messages.cut(name, 30)}; say status")
            return run
        runs = await self._house.call(store.all)
        moving = [run for run in runs if not run.state.is_final]
        if command.verb in ("status", "energy"):
            return moving[-1] if moving else (runs[-1] if runs else None)
        if len(moving) != 1:
            names = ", ".join(run.run_id for run in moving) or "none"
            raise CommandError(f"which run? Under way: {names}. Say {command.verb} RUN")
        return moving[0]

    # --- the verbs ------------------------------------------------------------------------------

    async def _start(self, user: str, command: Command, _: Run | None) -> str:
        if not command.names:
            known = ", ".join(await self._house.call(known_specs, self._house.settings.specs_dir))
            raise CommandError(f"which spec? Known: {known or 'none'}. Say start SPEC")
        path = _spec_path(self._house.settings.specs_dir, command.names[0])
        spec = await self._house.call(read_spec, path)
        seed = read_seed(command.options.get("seed"))
        number = len(await self._house.call(self._house.store.runs.all)) + 1
        every = self._house.settings.control_every
        with_control = "control" in command.flags or (every > 0 and number % every == 0)
        arms = ("human", "control") if with_control else ("human",)
        budget = command.options.get("budget")
        run = await self._rounds.begin(spec, who=user, seed=seed, arms=arms, budget=budget)
        return f"Run {run.run_id} of {spec.name} started by {user}."

    async def _stop(self, user: str, _: Command, run: Run | None) -> str:
        assert run is not None
        await self._rounds.stop(run.run_id, user)
        return f"Run {run.run_id} stops at its next step; its last checkpoint stays."

    async def _pause(self, user: str, _: Command, run: Run | None) -> str:
        assert run is not None
        await self._rounds.pause(run.run_id, user)
        return f"Run {run.run_id} pauses at its next step. Say resume to go on."

    async def _resume(self, user: str, _: Command, run: Run | None) -> str:
        assert run is not None
        await self._rounds.resume(run.run_id, user)
        return f"Run {run.run_id} goes on."

    async def _budget(self, user: str, command: Command, run: Run | None) -> str:
        assert run is not None
        if amount := _amount(command):
            run = await self._rounds.budgets.change(run, amount, user)
        return await self._rounds.budgets.said(run)

    async def _allow(self, user: str, command: Command, _: Run | None) -> str:
        return await self._door.allow(command.names, user)

    async def _link(self, user: str, command: Command, _: Run | None) -> str:
        if not command.names:
            code = self._links.offer(user)
            return (
                f"Say /joulery link {code} with your other account within ten minutes: from then on "
                "both are one person, whose last answer counts."
            )
        other = self._links.redeem(command.names[0], user)
        await self._house.call(self._house.store.votes.join, other, user)
        return f"{other} and {user} are one person now: of their answers to a card the last counts."

    async def _status(self, _: str, __: Command, run: Run | None) -> str:
        if run is None:
            return "No runs yet. Say start SPEC."
        store, kind = self._house.store.runs, kind_of(run.spec)
        lines = [f"Run {run.run_id} ({run.name}) is {run.state}: {run.reason or 'just created'}."]
        lines += filter(None, [self._rounds.shift.note(run.run_id) if run.state.is_moving else ""])
        for arm in await self._house.call(store.arms, run.run_id):
            evaluations = await self._house.call(store.evaluations, arm.arm_id)
            said = arm.state.value
            if evaluations:
                last, planned = evaluations[-1], arm.planned_samples or 0
                said = (
                    f"{words.count(last.samples)} of {words.count(planned)} samples, "
                    f"{kind.metric} {metrics.said(last.metric, kind)}"
                )
            lines.append(f"• {arm_said(arm.name, run.spec)}: {said}")
        return "\n".join(lines)

    async def _energy(self, _: str, command: Command, run: Run | None) -> str:
        asked = command.names[0].lower() if command.names else "run"
        if asked == "day":
            return await summaries.about_day(self._house)
        if asked == "week":
            return await summaries.about_week(self._house)
        if run is None:
            return "No runs yet, no energy booked."
        return await accounts.about_run(self._house, run)

    async def _help(self, _: str, __: Command, ___: Run | None) -> str:
        return messages.HELP


def _verb(text: str) -> str:
    return next(iter(text.strip().removeprefix("/joulery").lower().split()), "help")


def _amount(command: Command) -> str:
    """What a budget is to be, `1 kWh` as `1kWh`; "" where it is only asked for."""
    return "".join(name for name in command.names if not is_run(name))


def is_run(name: str) -> bool:
    """Whether a word is the name of a run, such as r12."""
    return name[:1] == "r" and name[1:].isdigit()


def read_seed(text: str | None) -> int | None:
    """The seed somebody typed; None where they left it to the spec."""
    if text is None:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 9:
        raise CommandError(f"seed={messages.cut(text, 20)}: give a whole number, e.g. seed=1")
    return int(text)


def _spec_path(folder: Path, name: str) -> Path:
    """The spec called `name`; names are no paths."""
    if RUN_NAME.match(name) is None:
        raise CommandError(f"“{messages.cut(name, 40)}” is no spec's name; say start for the list")
    path = folder / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(known_specs(folder)) or "none"
        raise CommandError(f"there is no spec {name}; known: {known}")
    return path


def known_specs(folder: Path) -> Sequence[str]:
    """The specs that may be started by name."""
    return sorted(path.stem for path in folder.glob("*.yaml"))

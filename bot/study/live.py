"""`joulery study --live SPEC`: a real run in the web chat, its participants in four conditions.

Assigned per person, by lot (`bot.study.conditions`): whether what others said so far is shown, and
whether an answer is a reaction or a button. Not assigned: which samples are asked about, feature
cards, and threads, which look the same to all. Whoever has not agreed to take part sees the consent
text in the place of every open question, and nothing of what they do there reaches the bot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from adapters.base import ButtonPressed, Card, CommandInvoked, Inbound, Ref, Sink, Snapshot
from adapters.web.platform import WebChat
from bot.app import running
from bot.compare import CompareError
from bot.house import Watcher
from bot.settings import Settings
from bot.study.conditions import AGREE, condition_of, consent, shown
from bot.study.roster import Roster, consent_text
from storage.models import Run, RunState
from trainer.spec import RunSpec, SpecError

ARMS = ("human", "control")
REPEATS = 5
"""Cards of earlier rounds that come again in each later one, where the spec says none."""
WHO = "the terminal"


class StudyChat(WebChat):
    """A web chat whose open questions look to each participant as the lot has it."""

    def __init__(self, settings: Settings, roster: Roster, *, open_link: bool = True) -> None:
        super().__init__(
            settings.data_dir.resolve() / "web" / "chat.db",
            host=settings.web_host,
            port=settings.web_port,
            channel=settings.channel,
            open_link=open_link,
            present=self._present,
        )
        self._roster, self._text = roster, consent_text()

    async def connect(self, sink: Sink) -> None:
        """Serve the page; what participants do goes to `sink`.

        Raises:
            ChatSetupError: the address cannot be listened on.
        """

        async def hear(event: Inbound) -> None:
            if isinstance(event, ButtonPressed) and event.choice == AGREE:
                await asyncio.to_thread(self._roster.agree, event.user, datetime.now(UTC))
                self.redraw()
            elif event.user in self._roster.voters or isinstance(event, CommandInvoked):
                await sink(event)

        await super().connect(hear)

    async def snapshot(self, ref: Ref) -> Snapshot:
        """What stands on a message, of participants alone."""
        found = await super().snapshot(ref)
        voters = self._roster.voters
        marks = {emoji: people & voters for emoji, people in found.reactions.items()}
        replies = tuple(reply for reply in found.replies if reply.user in voters)
        return found.model_copy(update={"reactions": marks, "replies": replies})

    def _present(self, card: Card, person: str, said: Mapping[str, int]) -> Card:
        if card.tone != "question" or card.is_closed:
            return card
        voter = f"{self.name}:{person}"
        if voter not in self._roster.voters:
            return consent(self._text)
        return shown(card, condition_of(self._roster.seed, voter), said)


def studied(spec: RunSpec) -> RunSpec:
    """The spec with cards that can be shown in every condition, some of them twice.

    No audit: a study asks what was planned, whether or not asking pays.

    Raises:
        SpecError: it pauses less than twice, so no card could come again.
    """
    if len(spec.ask.at) < 2:
        raise SpecError(
            f"ask.at = {list(spec.ask.at)}: a study shows cards twice, in two rounds; "
            "give two pauses or more, e.g. [0, 0.3]"
        )
    ask = {"style": "both", "audit": 0, "repeats": spec.ask.repeats or REPEATS}
    return spec.model_copy(update={"ask": spec.ask.model_copy(update=ask)})


async def live(
    settings: Settings, spec: RunSpec, watcher: Watcher, announce: Callable[[str], None]
) -> Run:
    """One run with participants, or the one that was broken off; the run once it has ended.

    Raises:
        CompareError: the run failed or was stopped.
        ChatSetupError: the page's port is taken.
        SettingsError: the roster cannot be used.
        StoreError: the database cannot be used.
    """
    roster = Roster.of(settings.data_dir, spec.train.seed)
    chat = StudyChat(settings, roster)
    async with running(settings, {chat.name: chat}) as bot:
        bot.house.watchers.append(watcher)
        announce(chat.entry_url())
        begun = await bot.house.call(bot.house.store.runs.all, is_open=True)
        run = next((r for r in begun if r.run_id in roster.runs), None)
        if run is None:
            run = await bot.rounds.begin(studied(spec), who=WHO, arms=ARMS)
            roster.began(run.run_id)
        run = await bot.rounds.wait(run.run_id)
        await bot.house.office.drained(timeout_s=30)
    if run.state is not RunState.FINISHED:
        raise CompareError(f"run {run.run_id} {run.state}: {run.reason}")
    return run

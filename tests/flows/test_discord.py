"""A run steered from Discord: the real discord.py, a fake Discord; and from Slack at the same time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import yaml

from adapters.base import Ref
from adapters.discord.platform import DiscordChat
from adapters.slack.platform import SlackChat
from bot.app import Bot, running
from storage.models import RunState
from tests.fake_discord import server as fake
from tests.fake_discord.world import BOT_USER
from tests.fake_slack import server as fake_slack
from tests.flows.people import comes_true

CHANNEL = fake.CHANNEL
QUIET = {"at": [0], "cards": 2, "feature_cards": 0, "quorum": 9, "deadline": 300}


@pytest.fixture
async def discord() -> AsyncIterator[fake.FakeDiscord]:
    async with fake.FakeDiscord() as server:
        yield server


@pytest.fixture
async def slack() -> AsyncIterator[fake_slack.FakeSlack]:
    async with fake_slack.FakeSlack() as server:
        yield server


@pytest.fixture
def open_discord(settings, discord, tmp_path):
    """Starts a bot that is in Discord, and wherever else is said."""

    @asynccontextmanager
    async def start(*others, **changes) -> AsyncIterator[Bot]:
        ana = f"discord:{discord.world.user('ana')}"
        given = {
            "discord_channel": CHANNEL, "slack_channel": fake_slack.CHANNEL, "operators": (ana,),
            **changes,
        }  # fmt: skip
        chat = DiscordChat(
            fake.TOKEN, CHANNEL, folder=tmp_path / "discord", base_url=discord.api_url
        )
        platforms = {each.name: each for each in (chat, *others)}
        async with running(settings.model_copy(update=given), platforms) as bot:
            yield bot

    return start


def ref(message) -> Ref:
    return Ref(platform="discord", channel=message.channel, message=message.id)


def questions(discord, store):
    """The cards whose place the bot has written down, oldest first."""
    found = [ref(m) for m in discord.world.cards() if fake.buttons(m)]
    return [r for r in found if (p := store.mail.posting_at(str(r))) and p.ballot_id]


def has_form(discord, question):
    buttons = fake.buttons(discord.find(question.message))
    return any(b["custom_id"].startswith("jl1m:") for b in buttons)


def votes(store):
    """(ballot, voter) -> answer, as they stand."""
    ballots = store.votes.ballots(run_id="r1")
    current = store.votes.current([b.ballot_id for b in ballots])
    return {(v.ballot_id, v.voter): v.answer for v in current}


def write_spec(specs_dir, spec):
    specs_dir.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(spec.model_dump(mode="json"))
    (specs_dir / "tiny.yaml").write_text(text, encoding="utf-8")


async def start_run(discord, specs_dir, spec):
    write_spec(specs_dir, spec)
    assert (await discord.command("ana", "start", {"spec": "tiny"})).is_recorded


def plain(message) -> str:
    return message.embeds[0]["description"].replace("\\", "")


async def test_a_run_is_started_voted_on_and_stopped_from_discord(
    open_discord, discord, settings, tiny_spec
):
    spec = tiny_spec(ask={"at": [0.5], "cards": 4, "quorum": 9, "style": "both", "deadline": 300})
    async with open_discord() as bot:
        store, user = bot.house.store, lambda who: f"discord:{discord.world.user(who)}"
        write_spec(settings.specs_dir, spec)
        assert await discord.complete("ana", "start", "spec", "ti") == ["tiny"]
        await start_run(discord, settings.specs_dir, spec)
        await comes_true(lambda: len(questions(discord, store)) == 5)
        assert await discord.complete("ana", "stop", "run", "") == ["r1"]
        features = next(q for q in questions(discord, store) if has_form(discord, q))
        a, b, c, _ = (q for q in questions(discord, store) if q != features)
        await discord.react("ana", a, "👎🏽")
        await discord.react("bo", a, "1️⃣")
        await discord.unreact("bo", a, "1️⃣")
        await discord.press("bo", a, "#2")
        said = await discord.say("cy", "fruit", b)
        await discord.edit(said, "3")
        gone = await discord.answer("dee", "tools", b)
        await discord.delete(gone)
        at = {r: store.mail.posting_at(str(r)).ballot_id for r in (a, b, c, features)}
        await discord.react("ana", c, "👎")
        # a reaction has no time of its own: it has to be heard first
        await comes_true(lambda: (at[c], user("ana")) in votes(store))
        await discord.press("ana", c, "#1")  # one live vote, whichever way it came
        await discord.gateway.duplicate(8)
        opened = await discord.press("ana", features, "0")
        key = opened.modal["components"][0]["component"]["custom_id"]
        await discord.submit("ana", features, opened.modal, {key: "4"})
        await discord.gateway.round_trip()
        await comes_true(lambda: (at[features], user("ana")) in votes(store))
        await comes_true(lambda: not store.mail.waiting(bot.house.now()))

        assert votes(store) == {
            (at[a], user("ana")): "none",
            (at[a], user("bo")): "#2",
            (at[b], user("cy")): "#3",
            (at[c], user("ana")): "#1",
            (at[features], user("ana")): "4",
        }

        head = next(ref(m) for m in discord.world.cards() if "r1" in m.embeds[0]["title"])
        asked = await discord.command("bo", "stop", {"run": "r1"})
        await comes_true(lambda: asked.follow_ups)
        assert "allow Bo operator" in asked.follow_ups[0]["content"].replace("\\", "")
        await discord.say("ana", "stop", head)
        await comes_true(lambda: [m for m in discord.world.cards() if "for good" in str(m.embeds)])
        question = next(ref(m) for m in discord.world.cards() if "for good" in str(m.embeds))
        await discord.press("ana", question, "Yes")
        await comes_true(lambda: store.runs.get("r1").state is RunState.STOPPED)
        await comes_true(lambda: not store.mail.pending())

        thread = [plain(m) for m in discord.world.in_channel(head.message) if m.author == BOT_USER]
        assert "Bo said “stop r1” and is not allowed to." in thread
        assert "Run r1 is stopped by Ana." in thread
        assert sorted(set(thread)) == sorted(thread)
        assert not [m for m in discord.world.cards() if fake.buttons(m)]


async def test_thirty_votes_cast_while_the_bot_was_down_count_exactly(
    open_discord, discord, settings, tiny_spec
):
    async with open_discord() as bot:
        await start_run(discord, settings.specs_dir, tiny_spec(ask=QUIET))
        await comes_true(lambda: len(questions(discord, bot.house.store)) == 2)
        first, second = questions(discord, bot.house.store)
        await discord.react("p0", first, "1️⃣")
        mine = await discord.say("p1", "none", first)
        await comes_true(lambda: len(votes(bot.house.store)) == 2)
    discord.interactions.patience_s = 0.05
    await discord.unreact("p0", first, "1️⃣")
    await discord.delete(mine)
    for n in range(20):
        await discord.react(f"p{n}", first, "1️⃣" if n % 3 else "👎🏿")
    for n in range(5):
        await discord.say(f"q{n}", "none", second)
        await discord.answer(f"s{n}", "1", second)
    assert not (await discord.press("eva", second, "#1")).is_recorded
    async with open_discord() as bot:
        await comes_true(lambda: len(votes(bot.house.store)) == 30)

        at = {r: bot.house.store.mail.posting_at(str(r)).ballot_id for r in (first, second)}

        def user(who):
            return f"discord:{discord.world.user(who)}"

        wanted = {(at[first], user(f"p{n}")): "#1" if n % 3 else "none" for n in range(20)}
        wanted |= {(at[second], user(f"q{n}")): "none" for n in range(5)}
        wanted |= {(at[second], user(f"s{n}")): "#1" for n in range(5)}
        assert votes(bot.house.store) == wanted
        assert len(questions(discord, bot.house.store)) == 2


async def test_a_role_may_stop_a_run_and_a_stranger_may_not(
    open_discord, discord, settings, tiny_spec
):
    discord.world.roles["4001"] = "Operators"
    discord.world.roles_of[discord.world.user("bo")] = ["4001"]
    async with open_discord(operators=("discord:role-4001",)) as bot:
        write_spec(settings.specs_dir, tiny_spec(ask=QUIET))
        store = bot.house.store
        no = await discord.command("cy", "start", {"spec": "tiny"})
        await comes_true(lambda: no.follow_ups)
        assert store.runs.all() == []
        await discord.command("bo", "start", {"spec": "tiny"})
        await comes_true(store.runs.all)

        discord.world.roles_of[discord.world.user("bo")] = []
        gone = await discord.command("bo", "stop", {"run": "r1"})
        await comes_true(lambda: gone.follow_ups)
        assert "Not done" in gone.follow_ups[0]["content"]


async def test_slack_and_discord_serve_one_run_and_a_linked_person_counts_once(
    open_discord, discord, slack, settings, tiny_spec
):
    chat = SlackChat(
        fake_slack.BOT_TOKEN, fake_slack.CHANNEL, app_token=fake_slack.APP_TOKEN,
        base_url=slack.api_url,
    )  # fmt: skip
    slack.methods.post_interval_s = 0.95
    async with open_discord(chat) as bot:
        store = bot.house.store
        await start_run(discord, settings.specs_dir, tiny_spec(ask=QUIET))
        await comes_true(lambda: len(questions(discord, store)) == 2)
        first, _ = questions(discord, store)
        ballot_id = store.mail.posting_at(str(first)).ballot_id

        def in_slack():
            return [p for p in store.mail.postings(ballot_id) if p.platform == "slack"]

        await comes_true(in_slack)
        there = Ref.parse(in_slack()[0].ref)
        await slack.react("ana", there, "one")
        await slack.react("zoe", there, "one")
        await comes_true(lambda: len(votes(store)) == 2)
        await discord.react("ana", first, "👎")
        await comes_true(lambda: len(votes(store)) == 3)

        asked = await discord.command("ana", "link")
        await comes_true(lambda: asked.follow_ups)
        code = asked.follow_ups[0]["content"].split("link ")[1].split()[0]
        assert (await slack.command("ana", f"link {code}")).is_acked
        await comes_true(lambda: len(votes(store)) == 2)

        ana = f"discord:{discord.world.user('ana')}"
        assert votes(store) == {(ballot_id, "slack:UZOE"): "#1", (ballot_id, ana): "none"}
        assert store.votes.answered(store.votes.ballots(run_id="r1")[0].round_id)[ballot_id][0] == 2
        await bot.look_at_open_cards()
        assert len(votes(store)) == 2
        await discord.command("ana", "stop", {"run": "r1"})
        await comes_true(lambda: [m for m in discord.world.cards() if "for good" in str(m.embeds)])
        question = next(ref(m) for m in discord.world.cards() if "for good" in str(m.embeds))
        await discord.press("ana", question, "Yes")
        await comes_true(lambda: store.runs.get("r1").state is RunState.STOPPED)
        await comes_true(lambda: not store.mail.pending())

        await slack.command("ana", "status")
        await comes_true(lambda: any("is stopped by Ana" in t for t in slack.workspace.said()))
        footer = discord.find(first.message).embeds[0]["footer"]["text"]
        blocks = slack.workspace.messages[there.channel, there.message].blocks
        counted = votes(store)[ballot_id, "slack:UZOE"], votes(store)[ballot_id, ana]
        assert counted == ("#1", "none")
        assert " 1 · none of these 1\n" in footer
        assert " 1 · none of these 1" in str(blocks)

"""A run steered from Slack: the real slack_bolt, a fake Slack, votes in every way there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from adapters.base import Ref
from adapters.slack.platform import SlackChat
from bot.app import Bot, running
from storage.database import StoreError
from storage.models import RunState
from tests.fake_slack import server as fake
from tests.flows.people import comes_true

CHANNEL = fake.CHANNEL


@pytest.fixture
async def slack() -> AsyncIterator[fake.FakeSlack]:
    async with fake.FakeSlack() as server:
        server.methods.post_interval_s = 0.95  # refuses whoever is faster
        yield server


@pytest.fixture
def open_slack(settings, slack):
    """Starts a bot that is in Slack."""

    @asynccontextmanager
    async def start(**changes) -> AsyncIterator[Bot]:
        given = {"slack_channel": CHANNEL, "operators": ("slack:UANA",), **changes}
        chat = SlackChat(fake.BOT_TOKEN, CHANNEL, app_token=fake.APP_TOKEN, base_url=slack.api_url)
        async with running(settings.model_copy(update=given), {"slack": chat}) as bot:
            yield bot

    return start


def ref(message) -> Ref:
    return Ref(platform="slack", channel=message.channel, message=message.ts)


def questions(slack, store):
    """The cards whose place the bot has written down, oldest first."""
    found = [ref(m) for m in slack.workspace.cards() if fake.buttons(m)]
    return [r for r in found if (p := store.mail.posting_at(str(r))) and p.ballot_id]


def has_form(slack, question):
    message = slack.workspace.messages[question.channel, question.message]
    return any(button["action_id"] == "menu" for button in fake.buttons(message))


def votes(store):
    """(voter, answer) per ballot, as they stand."""
    ballots = store.votes.ballots(run_id="r1")
    current = store.votes.current([b.ballot_id for b in ballots])
    return {(v.ballot_id, v.voter): v.answer for v in current}


async def start_run(slack, specs_dir, spec):
    import yaml

    specs_dir.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(spec.model_dump(mode="json"))
    (specs_dir / "tiny.yaml").write_text(text, encoding="utf-8")
    assert (await slack.command("ana", "start tiny")).is_acked


async def test_a_run_is_started_voted_on_and_stopped_from_slack(
    open_slack, slack, settings, tiny_spec
):
    spec = tiny_spec(ask={"at": [0.5], "cards": 4, "quorum": 9, "style": "both", "deadline": 300})
    async with open_slack() as bot:
        store = bot.house.store
        await start_run(slack, settings.specs_dir, spec)
        await comes_true(lambda: len(questions(slack, store)) == 5)
        features = next(q for q in questions(slack, store) if has_form(slack, q))
        a, b, c, _ = (q for q in questions(slack, store) if q != features)
        await slack.react("ana", a, "-1::skin-tone-3")
        await slack.react("bo", a, "one")
        await slack.unreact("bo", a, "one")
        await slack.press("bo", a, "#2")
        said = await slack.say("cy", "fruit", b)
        await slack.edit(b, said, "3")
        gone = await slack.say("dee", "tools", b)
        await slack.delete(b, gone)
        await slack.react("ana", c, "-1")
        await slack.press("ana", c, "#1")  # one live vote, whichever way it came
        await slack.delivery.duplicate(8)
        await slack.press("ana", features, "menu")
        view = list(slack.workspace.views.values())[-1]
        key = view["blocks"][1]["block_id"]
        await slack.submit("ana", view, {key: "4"})
        await comes_true(lambda: not store.mail.waiting(bot.house.now()))

        at = {r: store.mail.posting_at(str(r)).ballot_id for r in (a, b, c, features)}
        assert votes(store) == {
            (at[a], "slack:UANA"): "none",
            (at[a], "slack:UBO"): "#2",
            (at[b], "slack:UCY"): "#3",
            (at[c], "slack:UANA"): "#1",
            (at[features], "slack:UANA"): "4",
        }

        head = next(ref(m) for m in slack.workspace.cards() if "Run r1" in m.text)
        await slack.say("bo", "stop", head)
        await comes_true(lambda: slack.workspace.whispers)
        assert "allow Bo operator" in slack.workspace.whispers[0]["text"]
        await slack.say("ana", "stop", head)
        card = "Stop run r1 for good?"
        await comes_true(lambda: [m for m in slack.workspace.cards() if m.text == card])
        asked = next(ref(m) for m in slack.workspace.cards() if m.text == card)
        await slack.press("ana", asked, "Yes")
        await comes_true(lambda: store.runs.get("r1").state is RunState.STOPPED)
        await comes_true(lambda: not store.mail.pending())

        thread = [m.text for m in slack.workspace.thread(CHANNEL, head.message) if m.bot_id]
        assert "Bo said “stop” and is not allowed to." in thread
        assert "Run r1 is stopped by Ana." in thread
        assert sorted(set(thread)) == sorted(thread)
        assert not [m for m in slack.workspace.cards() if fake.buttons(m)]
        assert [w for _, w, _ in store.upkeep.commands()] == [
            "start tiny",
            "stop",
            "stop r1",
            "stop r1",
        ]
    assert not [r for r in slack.refused if r == "chat.postMessage"]


async def test_on_a_blind_card_only_buttons_count_and_no_count_is_shown(
    open_slack, slack, settings, tiny_spec
):
    spec = tiny_spec(
        ask={"at": [0], "cards": 2, "feature_cards": 0, "quorum": 9, "style": "buttons",
             "deadline": 300}
    )  # fmt: skip
    async with open_slack() as bot:
        store = bot.house.store
        await start_run(slack, settings.specs_dir, spec)
        await comes_true(lambda: len(questions(slack, store)) == 2)
        first, second = questions(slack, store)
        await slack.react("ana", first, "-1")
        await slack.say("bo", "fruit", first)
        await slack.press("cy", second, "none")
        await comes_true(lambda: len(slack.workspace.whispers) == 2)
        await bot.look_at_open_cards()

        assert {voter: answer for (_, voter), answer in votes(store).items()} == {
            "slack:UCY": "none"
        }
        assert all("This card is blind" in w["text"] for w in slack.workspace.whispers)
        shown = slack.workspace.messages[CHANNEL, second.message]
        assert list(shown.reactions) == []
        *others, _, _ = [b for b in shown.blocks if b["type"] == "context"]  # footer and deadline
        assert "1" not in str(others)


async def test_who_is_no_voter_is_told_so_once_and_does_not_count(
    open_slack, slack, settings, tiny_spec
):
    spec = tiny_spec(ask={"at": [0], "cards": 2, "feature_cards": 0, "quorum": 9, "deadline": 300})
    async with open_slack(voters=("slack:UANA",)) as bot:
        store = bot.house.store
        await start_run(slack, settings.specs_dir, spec)
        await comes_true(lambda: len(questions(slack, store)) == 2)
        first, second = questions(slack, store)
        await slack.react("bo", first, "tada")
        await slack.press("bo", first, "none")
        await slack.react("bo", second, "-1")
        await slack.unreact("bo", second, "-1")
        await slack.react("ana", second, "-1")
        await comes_true(lambda: votes(store) and slack.responses)
        await comes_true(lambda: not store.mail.pending())

        assert [voter for _, voter in votes(store)] == ["slack:UANA"]
        [told] = slack.responses
        assert told["text"] == (
            "Your answers do not count here: only those of voters do. "
            "Ask an admin to say: allow Bo voter."
        )
        assert slack.workspace.whispers == []


async def test_what_happened_while_the_bot_was_down_counts(open_slack, slack, settings, tiny_spec):
    spec = tiny_spec(ask={"at": [0], "cards": 2, "feature_cards": 0, "quorum": 9, "deadline": 300})
    async with open_slack() as bot:
        await start_run(slack, settings.specs_dir, spec)
        await comes_true(lambda: len(questions(slack, bot.house.store)) == 2)
        await slack.react("ana", questions(slack, bot.house.store)[0], "-1")
        await comes_true(lambda: votes(bot.house.store))
        first, second = questions(slack, bot.house.store)
    slack.delivery.retries_s = ()
    await slack.unreact("ana", first, "-1")
    await slack.react("ana", second, "one")
    await slack.say("bo", "none", second)
    async with open_slack() as bot:
        await comes_true(lambda: len(votes(bot.house.store)) == 2)

        answers = {voter: answer for (_, voter), answer in votes(bot.house.store).items()}
        assert answers == {"slack:UANA": "#1", "slack:UBO": "none"}
        assert len(questions(slack, bot.house.store)) == 2


async def test_a_bot_starts_without_slack_and_is_there_as_soon_as_slack_is(
    open_slack, slack, settings, tiny_spec, monkeypatch
):
    monkeypatch.setattr("bot.post.CONNECT_AGAIN_S", 0.2)
    spec = tiny_spec(ask={"at": [0], "cards": 2, "feature_cards": 0, "quorum": 9, "deadline": 300})
    async with open_slack() as bot:
        await start_run(slack, settings.specs_dir, spec)
        await comes_true(lambda: len(questions(slack, bot.house.store)) == 2)
        [first, _] = questions(slack, bot.house.store)
    slack.delivery.retries_s = ()
    await slack.react("ana", first, "-1")
    slack.fail_next("auth.test", times=4, status=503)
    async with open_slack() as bot:
        assert votes(bot.house.store) == {}
        await comes_true(lambda: votes(bot.house.store))

        assert list(votes(bot.house.store).values()) == ["none"]


async def test_groups_and_mentions_say_who_may_do_what(open_slack, slack):
    slack.workspace.usergroups["S1"] = ["UANA"]
    slack.workspace.user("bo")
    async with open_slack(operators=("slack:S1",), admins=("slack:UANA",)) as bot:
        access = bot.commands._access
        assert access.may_command("slack:UANA", "stop") == ""
        assert access.may_command("slack:UBO", "stop") != ""

        await slack.command("ana", "allow <@UBO|bo> operator")
        await comes_true(lambda: slack.workspace.said())
        assert "Bo is now an operator." in slack.workspace.said()[0]
        assert access.may_command("slack:UBO", "stop") == ""

        slack.scopes.discard("usergroups:read")
        await slack.command("ana", "allow <!subteam^S1|@team> voter")
        await comes_true(lambda: len(slack.workspace.said()) == 2)
        assert access.may_vote("slack:UANA")  # who was in it stays until Slack says otherwise
        assert not access.may_vote("slack:UBO")


async def test_a_second_bot_on_the_same_database_does_not_begin(open_slack):
    async with open_slack():
        with pytest.raises(StoreError, match="another bot is running on this database"):
            async with open_slack():
                pass

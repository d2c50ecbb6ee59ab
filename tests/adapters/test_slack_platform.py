"""What Slack does to a bot, and what becomes of posts and votes then."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession

from adapters.base import (
    Card,
    CardDeleted,
    CardPart,
    ChatRefused,
    ChatSetupError,
    ChatUnavailable,
    Home,
    HomeOpened,
    HomeSection,
    Option,
    Picture,
    ReactionAdded,
    ReactionRemoved,
    Reconnected,
    ReplyCtx,
    Verb,
)
from adapters.slack.calls import library_log
from adapters.slack.platform import SlackChat
from tests.adapters.cards import BLIND, FEATURES, PNG, QUESTION
from tests.adapters.drivers import Ears, SlackDriver
from tests.fake_slack import server as fake
from tests.fake_slack.delivery import sign

CHANNEL = fake.CHANNEL


@pytest.fixture
async def people(tmp_path: Path) -> AsyncIterator[SlackDriver]:
    async with SlackDriver.started(tmp_path) as driver:
        yield driver


def posted(slack: fake.FakeSlack) -> int:
    return len([m for m in slack.workspace.messages.values() if m.user == fake.BOT_USER])


async def heard(ears: Ears, kind: type, n: int = 1) -> list[Any]:
    async with asyncio.timeout(15):
        while len(found := [e for e in ears.events if isinstance(e, kind)]) < n:  # noqa: ASYNC110 -- ears signal nothing
            await asyncio.sleep(0.01)
    return found


def chat_to(slack: fake.FakeSlack, **changes: Any) -> SlackChat:
    given = {"bot_token": fake.BOT_TOKEN, "channel": CHANNEL, "app_token": fake.APP_TOKEN}
    return SlackChat(**(given | changes), base_url=slack.api_url)


# --- posting ------------------------------------------------------------------------------------


async def test_a_post_whose_answer_was_lost_is_found_and_not_repeated(people: SlackDriver) -> None:
    people.slack.fail_next("chat.postMessage", drop_after=True)

    with pytest.raises(ChatUnavailable):
        await people.chat.post_card(CHANNEL, QUESTION, "k")
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")

    assert posted(people.slack) == 1
    assert await people.chat.find_post(CHANNEL, "k") == card


async def test_a_reply_whose_answer_was_lost_is_found_after_a_restart(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.slack.fail_next("chat.postMessage", drop_after=True)

    with pytest.raises(ChatUnavailable):
        await people.chat.say(card, "hello", "s")
    await people.stop_bot()
    await people.start_bot()
    said = await people.chat.say(card, "hello", "s")

    assert posted(people.slack) == 2
    assert said.thread == card.message


async def test_a_429_is_handed_on_with_its_pause(people: SlackDriver) -> None:
    people.slack.fail_next("chat.postMessage", status=429, retry_after_s=7)

    with pytest.raises(ChatUnavailable) as refusal:
        await people.chat.say(CHANNEL, "hello", "s")

    assert refusal.value.retry_after_s == 7.0
    assert posted(people.slack) == 0


async def test_more_than_one_post_a_second_is_refused_and_may_come_later(
    people: SlackDriver,
) -> None:
    people.slack.methods.post_interval_s = 1.0
    await people.chat.say(CHANNEL, "one", "1")

    with pytest.raises(ChatUnavailable) as refusal:
        await people.chat.say(CHANNEL, "two", "2")

    assert refusal.value.retry_after_s == 1.0


@pytest.mark.parametrize(
    ("how", "kind"),
    [
        ({"status": 500}, ChatUnavailable),
        ({"status": 503}, ChatUnavailable),
        ({"error": "internal_error"}, ChatUnavailable),
        ({"error": "is_archived"}, ChatRefused),
        ({"error": "msg_blocks_too_long"}, ChatRefused),
        ({"error": "token_revoked"}, ChatSetupError),
    ],
    ids=lambda value: str(value),
)
async def test_failures_say_whether_trying_again_helps(
    people: SlackDriver, how: dict[str, Any], kind: type[Exception]
) -> None:
    people.slack.fail_next("chat.postMessage", **how)

    with pytest.raises(kind, match="Slack"):
        await people.chat.say(CHANNEL, "hello", "s")


async def test_seeds_are_placed_once_and_none_on_blind_cards(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    blind = await people.chat.post_card(
        CHANNEL, BLIND.model_copy(update={"seeds": ("up",)}), "blind"
    )
    people.slack.fail_next("reactions.add", status=429, retry_after_s=1)
    await people.chat.post_card(CHANNEL, QUESTION, "k")
    await people.chat._up().seeding.settled()

    at = people.slack.workspace.messages
    assert list(at[CHANNEL, card.message].reactions) == ["+1", "-1", "shrug"]
    assert at[CHANNEL, blind.message].reactions == {}


async def test_pictures_go_into_the_thread_once_also_after_a_failure(
    people: SlackDriver, tmp_path: Path
) -> None:
    path = tmp_path / "cat.png"
    path.write_bytes(PNG)
    pictures = tuple(Picture(path=str(path), alt=f"picture {n}") for n in (1, 2))
    card = QUESTION.model_copy(update={"pictures": pictures})
    people.slack.fail_next("files.completeUploadExternal", drop_after=True)

    with pytest.raises(ChatUnavailable):
        await people.chat.post_card(CHANNEL, card, "k")
    await people.stop_bot()
    await people.start_bot()
    ref = await people.chat.post_card(CHANNEL, card, "k")

    thread = people.slack.workspace.thread(CHANNEL, ref.message)
    shared = [file for message in thread for file in message.files]
    assert [file["alt_txt"] for file in shared] == ["picture 1", "picture 2"]
    assert (await people.chat.snapshot(ref)).replies == ()


async def test_people_are_called_by_name_but_not_in_samples(people: SlackDriver) -> None:
    people.user("ana")
    about = Card(text="r1", lines=("stopped by slack:UANA, not slack:UNOBODY",), tone="run")
    part = CardPart(key="1", text="write to slack:UANA")

    await people.chat.post_card(CHANNEL, about, "run")
    await people.chat.post_card(CHANNEL, QUESTION.model_copy(update={"parts": (part,)}), "q")
    await people.chat.say(CHANNEL, "started by slack:UANA", "s")

    run, question = people.slack.workspace.cards()
    assert "stopped by Ana, not slack:UNOBODY" in str(run.blocks)
    assert "write to slack:UANA" in str(question.blocks)
    assert people.slack.workspace.said() == ["started by Ana"]


async def test_groups_are_called_by_their_handles(people: SlackDriver) -> None:
    people.slack.workspace.usergroups["S0OPS"] = ["UANA"]

    for n in range(2):
        await people.chat.say(CHANNEL, "slack:S0OPS may stop it, slack:SNONE may not", f"s{n}")

    assert set(people.slack.workspace.said()) == {"@s0ops may stop it, slack:SNONE may not"}
    assert [name for name, _ in people.slack.calls].count("usergroups.list") <= 2
    people.slack.scopes.discard("usergroups:read")
    await people.chat.say(CHANNEL, "slack:SMORE may", "more")
    assert people.slack.workspace.said()[-1] == "slack:SMORE may"


async def test_only_a_press_on_a_blind_card_is_confirmed_in_words(people: SlackDriver) -> None:
    named = BLIND.buttons[0].model_copy(update={"label": "Relevant <!here>"})
    blind = await people.chat.post_card(
        CHANNEL, BLIND.model_copy(update={"buttons": (named,)}), "blind"
    )
    seen = await people.chat.post_card(CHANNEL, QUESTION, "seen")

    await people.press("ana", seen, "yes")
    await people.press("ana", blind, "yes")
    async with asyncio.timeout(5):
        while not people.slack.responses:  # noqa: ASYNC110 -- the fake signals nothing
            await asyncio.sleep(0.01)

    [told] = people.slack.responses
    assert told["text"] == "Recorded: 👍 Relevant &lt;!here&gt;"
    assert told["response_type"] == "ephemeral"


async def test_an_edit_keeps_the_key_and_the_form(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, FEATURES, "k")
    await people.chat.edit_card(card, FEATURES.model_copy(update={"tally": "1 vote"}))
    await people.stop_bot()
    await people.start_bot()

    assert await people.submit("ana", card, {"archive": "4"})
    assert await people.chat.find_post(CHANNEL, "k") == card


async def test_a_form_without_a_level_is_not_sent(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, FEATURES, "k")
    await people.slack.press("ana", card, "menu")
    [view] = people.slack.workspace.views.values()

    answer = await people.slack.submit("ana", view, {})

    assert answer.answer["response_action"] == "errors"
    assert people.ears.events == []


# --- events -------------------------------------------------------------------------------------


async def test_an_event_the_house_could_not_keep_comes_again(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.ears.is_deaf = True
    people.slack.delivery.ack_timeout_s = 0.2
    people.slack.delivery.retries_s = (0.0, 0.1, 0.1)

    await people.slack.react("ana", card, "+1")
    people.ears.is_deaf = False

    [event] = await heard(people.ears, ReactionAdded)
    assert event.user_name == "Ana"


async def test_one_persons_events_stay_in_order_in_a_burst(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.slack.fail_next("users.info", delay_s=0.2)

    await asyncio.gather(
        people.slack.react("ana", card, "+1"),
        people.slack.unreact("ana", card, "+1"),
        people.slack.react("ana", card, "-1"),
    )

    assert [type(e) for e in people.ears.events] == [
        ReactionAdded,
        ReactionRemoved,
        ReactionAdded,
    ]


async def test_somebody_slow_to_be_named_is_asked_for_once(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.slack.fail_next("users.info", delay_s=1.3)

    await people.slack.react("ana", card, "+1")
    await people.slack.unreact("ana", card, "+1")

    assert [e.user_name for e in people.ears.events] == ["", "Ana"]
    assert [name for name, _ in people.slack.calls].count("users.info") == 1


async def test_duplicates_and_shuffled_events_keep_their_ids_and_times(
    people: SlackDriver,
) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.slack.delivery.hold()
    for who in ("ana", "bo", "cy", "dee"):
        await people.slack.react(who, card, "+1")
    await people.slack.unreact("ana", card, "+1")

    await people.slack.delivery.release(random.Random(3))
    await people.slack.delivery.duplicate(5)

    told = people.ears.heard()
    assert len(told) == 5
    assert len(people.ears.events) == 10
    last = max(told, key=lambda e: e.at)
    assert isinstance(last, ReactionRemoved)


async def test_a_new_socket_is_told_with_the_gap_before_it(people: SlackDriver) -> None:
    await people.slack.delivery.refresh()
    [first] = await heard(people.ears, Reconnected)
    people.slack.delivery.drop_sockets()
    _, second = await heard(people.ears, Reconnected, 2)

    assert first.gap_since is not None
    assert second.gap_since >= first.gap_since
    assert first.event_id != second.event_id
    assert people.chat.health().is_connected


async def test_a_socket_that_was_refused_is_asked_for_anew(people: SlackDriver) -> None:
    people.slack.delivery.refuse_sockets = 1

    people.slack.delivery.drop_sockets()

    await heard(people.ears, Reconnected)
    assert people.chat.health().is_connected


async def test_a_lost_socket_is_said(people: SlackDriver) -> None:
    people.slack.delivery.refuse_sockets = 1000
    people.slack.delivery.drop_sockets()
    async with asyncio.timeout(10):
        while people.chat.health().is_connected:  # noqa: ASYNC110 -- health signals nothing
            await asyncio.sleep(0.02)

    assert people.chat.health().detail == "no line to Slack"


async def test_the_deletion_of_our_own_card_is_heard(people: SlackDriver) -> None:
    lone = await people.chat.post_card(CHANNEL, QUESTION, "lone")
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    await people.reply("ana", card, "refund 5")

    await people.slack.delete(lone, lone.message)
    await people.slack.delete(card, card.message)

    found = await heard(people.ears, CardDeleted, 2)
    assert [event.ref for event in found] == [lone, card]


async def test_a_links_preview_changes_no_vote(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    reply_id = await people.reply("ana", card, "see https://example.org")
    n = len(people.ears.events)

    await people.slack.unfurl(card, reply_id)

    assert len(people.ears.events) == n


async def test_bots_do_not_vote(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.slack.workspace.user("robo", is_bot=True)

    await people.slack.react("robo", card, "+1")
    await people.slack.react("ana", card, "+1::skin-tone-4")

    assert [e.user for e in people.ears.events] == ["slack:UANA"]
    standing = await people.chat.snapshot(card)
    assert standing.reactions == {"+1::skin-tone-4": {"slack:UANA"}}
    assert standing.canonical == {"+1::skin-tone-4": "up"}


async def test_a_partial_list_of_a_crowd_is_flagged(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    for n in range(4):
        await people.slack.react(f"p{n}", card, "+1")
    people.slack.methods.user_list_limit = 3

    assert not (await people.chat.snapshot(card)).is_complete
    people.slack.methods.user_list_limit = None
    assert (await people.chat.snapshot(card)).is_complete


async def test_a_long_thread_is_read_to_its_end(people: SlackDriver) -> None:
    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.slack.delivery.lose(450)
    for n in range(450):
        await people.slack.say("ana", f"reply {n}", card)

    assert len((await people.chat.snapshot(card)).replies) == 450


# --- commands with a form -----------------------------------------------------------------------

START = Verb(
    name="start",
    about="begin a run",
    options=(
        Option(name="spec", about="of what", is_required=True, completes=True),
        Option(name="seed", about="of its choices", kind="number", is_named=True),
        Option(name="control", about="train a control beside it", kind="flag"),
        Option(name="who", about="for whom", kind="member"),
        Option(name="value", about="what counts", choices=("money", "energy")),
    ),
)
STATUS = Verb(
    name="status",
    about="where it stands",
    options=(Option(name="run", about="which", completes=True),),
)


@pytest.fixture
async def learned(people: SlackDriver) -> SlackDriver:
    """A platform that was told which commands there are."""

    async def complete(verb: str, option: str, typed: str) -> list[str]:
        return [f"{verb}-{option}-{name}" for name in ("demo", "tickets") if typed in name]

    await people.stop_bot()
    people.chat.learn((START, STATUS), complete)
    await people.chat.connect(people.ears)
    return people


async def test_a_command_without_what_it_needs_is_asked_for_with_a_form(
    learned: SlackDriver,
) -> None:
    await learned.slack.command("ana", " Start ")
    [view] = learned.slack.workspace.views.values()
    assert learned.ears.events == []
    assert await learned.slack.suggest("ana", view, "spec", "tick") == ["start-spec-tickets"]

    given = {"spec": "my spec", "seed": "3", "control": "yes", "who": "UBO", "value": "energy"}
    assert (await learned.slack.submit("ana", view, given)).is_acked

    [event] = learned.ears.events
    assert event.words == "start 'my spec' seed=3 --control slack:UBO energy"
    assert (event.user, event.ref.channel, event.ref.message) == ("slack:UANA", CHANNEL, "")


@pytest.mark.parametrize("words", ["start demo", "status", "", "dance"])
async def test_words_that_will_do_are_a_command_at_once(learned: SlackDriver, words: str) -> None:
    await learned.slack.command("ana", words)

    assert [event.words for event in learned.ears.events] == [words]
    assert learned.slack.workspace.views == {}


@pytest.mark.parametrize("words", ["status ?", "Status?"])
async def test_a_question_mark_asks_for_the_form_that_completes(
    learned: SlackDriver, words: str
) -> None:
    await learned.slack.command("ana", words)

    [view] = learned.slack.workspace.views.values()
    assert learned.ears.events == []
    assert await learned.slack.suggest("ana", view, "run", "de") == ["status-run-demo"]
    await learned.slack.submit("ana", view, {"run": "r7"})
    assert [event.words for event in learned.ears.events] == ["status r7"]


async def test_where_no_form_can_be_opened_the_words_are_passed_on(learned: SlackDriver) -> None:
    learned.slack.fail_next("views.open", error="internal_error")

    await learned.slack.command("ana", "start")

    assert [event.words for event in learned.ears.events] == ["start"]


async def test_a_filled_form_that_could_not_be_kept_stays_open(learned: SlackDriver) -> None:
    await learned.slack.command("ana", "start")
    [view] = learned.slack.workspace.views.values()
    learned.ears.is_deaf, learned.slack.delivery.ack_timeout_s = True, 0.1

    assert not (await learned.slack.submit("ana", view, {"spec": "demo"})).is_acked


# --- whispers and the Home tab ------------------------------------------------------------------


async def test_an_answer_to_a_command_goes_where_it_was_asked_while_it_may(
    people: SlackDriver,
) -> None:
    await people.command("ana", "stop")
    [asked] = people.ears.events
    late = ReplyCtx(
        channel=CHANNEL, token=asked.ctx.token, expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )

    assert await people.chat.whisper(asked.user, asked.ref, "no <!here>", asked.ctx)
    assert await people.chat.whisper(asked.user, asked.ref, "too late", late)

    assert [r["text"] for r in people.slack.responses] == ["no &lt;!here&gt;"]
    assert [w["text"] for w in people.slack.workspace.whispers] == ["too late"]


async def test_a_whisper_is_said_where_it_is_seen(people: SlackDriver) -> None:
    talked = await people.chat.post_card(CHANNEL, QUESTION, "k")
    silent = await people.chat.post_card(CHANNEL, QUESTION, "k2")
    await people.reply("ana", talked, "refnd=5")

    for card in (talked, silent):
        assert await people.chat.whisper(people.user("ana"), card, "did you mean refund?", None)

    threads = [w.get("thread_ts") for w in people.slack.workspace.whispers]
    assert threads == [talked.message, None]


async def test_a_second_process_on_the_same_app_is_told(
    people: SlackDriver, caplog: pytest.LogCaptureFixture
) -> None:
    second = chat_to(people.slack)
    await second.connect(Ears())
    await second.close()

    assert "another process is connected as this Slack app" in caplog.text


async def test_who_is_not_in_the_channel_is_written_to_directly(people: SlackDriver) -> None:
    outsider = people.user("zoe")
    people.slack.workspace.channels[CHANNEL].members.discard("UZOE")

    assert await people.chat.whisper(outsider, CHANNEL, "hello", None)
    people.slack.scopes.discard("im:write")
    assert not await people.chat.whisper(outsider, CHANNEL, "hello", None)

    assert [m.text for m in people.slack.workspace.messages.values()] == ["hello"]


async def test_the_home_tab_is_drawn_for_who_opens_it(people: SlackDriver) -> None:
    await people.slack.open_home("ana")
    [opened] = await heard(people.ears, HomeOpened)
    home = Home(title="Joulery", sections=(HomeSection(title="Runs", lines=("r1 is training",)),))

    await people.chat.show_home(opened.user, home)

    drawn = people.slack.workspace.homes["UANA"]
    assert "r1 is training" in str(drawn)


async def test_a_usergroup_lists_its_members(people: SlackDriver) -> None:
    people.slack.workspace.usergroups["S1"] = ["UANA", "UBO"]

    assert await people.chat.members("slack:S1") == {"slack:UANA", "slack:UBO"}
    assert await people.chat.members("slack:S9") is None


# --- starting -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bot_token": "xoxb-wrong"}, "the token is not valid"),
        ({"app_token": "xapp-wrong"}, "the token is not valid"),
        ({"bot_token": fake.APP_TOKEN}, "xoxb- goes into"),
        ({"channel": "C9"}, "channel C9: .*say /invite @Joulery there"),
    ],
    ids=["bot token", "app token", "swapped", "channel"],
)
async def test_what_is_set_up_wrongly_is_said_at_the_start(
    changes: dict[str, Any], words: str
) -> None:
    async with fake.FakeSlack() as slack:
        with pytest.raises(ChatSetupError, match=words):
            await chat_to(slack, **changes).connect(Ears())


async def test_missing_scopes_are_named_and_optional_ones_are_only_told() -> None:
    async with fake.FakeSlack() as slack:
        slack.scopes.discard("reactions:read")
        with pytest.raises(ChatSetupError, match="lacks reactions:read"):
            await chat_to(slack).connect(Ears())

        slack.scopes = slack.scopes | {"reactions:read", "groups:history"} - {"im:write"}
        slack.scopes.discard("im:write")
        chat = chat_to(slack)
        await chat.connect(Ears())
        assert "without im:write" in chat.health().detail
        await chat.close()
        assert not chat.health().is_connected


async def test_a_bot_that_is_not_in_the_channel_says_how_to_get_in() -> None:
    async with fake.FakeSlack() as slack:
        slack.workspace.channels[CHANNEL].members.clear()

        with pytest.raises(ChatSetupError, match="say /invite @Joulery there"):
            await chat_to(slack).connect(Ears())


def test_without_a_way_for_events_it_does_not_begin() -> None:
    with pytest.raises(ChatSetupError, match="JOULERY_SLACK_APP_TOKEN"):
        SlackChat("xoxb-1", CHANNEL)


async def test_unsigned_and_stale_requests_are_turned_away(tmp_path: Path) -> None:
    async with (
        SlackDriver.started(tmp_path, is_http=True) as people,
        ClientSession() as session,
    ):
        body = '{"type":"event_callback","event_id":"Ev1","event":{"type":"reaction_added"}}'
        stale = sign(fake.SIGNING_SECRET, body, at=datetime.now(UTC).timestamp() - 600)
        wrong = sign("another secret", body)
        json_type = {"Content-Type": "application/json"}
        for headers in ({}, stale, wrong):
            async with session.post(
                people.chat.events_url, data=body, headers=headers | json_type
            ) as response:
                assert response.status == 401

        assert people.ears.events == []


async def test_who_is_not_connected_says_so_and_may_be_asked_later() -> None:
    async with fake.FakeSlack() as slack:
        slack.fail_next("auth.test", times=2, status=500)
        chat = chat_to(slack)
        with pytest.raises(ChatUnavailable):
            await chat.connect(Ears())
        with pytest.raises(ChatUnavailable, match="not connected"):
            await chat.post_card(CHANNEL, QUESTION, "k")

        await chat.connect(Ears())
        assert await chat.post_card(CHANNEL, QUESTION, "k")
        await chat.close()


@pytest.mark.parametrize(
    "said",
    [
        "Failed (url wss://slack/link/?ticket=abc-123&app_id=1)",
        "token xoxb-1-2-abc refused",
        "got xapp-1-A-2-abc",
        "posted to https://hooks.slack.com/commands/T1/2/abc",
    ],
)
def test_what_the_libraries_log_is_rid_of_secrets(
    said: str, caplog: pytest.LogCaptureFixture
) -> None:
    library_log().warning("%s", said)

    assert caplog.text
    assert "abc" not in caplog.text


async def test_no_log_ever_shows_a_token(
    people: SlackDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("slack_bolt", "slack_sdk", "aiohttp", "adapters"):
        logging.getLogger(name).setLevel(logging.NOTSET)

    card = await people.chat.post_card(CHANNEL, QUESTION, "k")
    people.slack.fail_next("apps.connections.open", status=500)
    people.slack.delivery.drop_sockets()
    await heard(people.ears, Reconnected)
    people.ears.is_deaf = True
    await people.press("ana", card, "yes")
    await people.command("ana", "stop")
    with pytest.raises(ChatSetupError):
        await chat_to(people.slack, bot_token="xoxb-wrong-secret").connect(Ears())

    said = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert caplog.records
    for secret in ("xoxb-", "xapp-", "secret-ticket", "/respond/", fake.SIGNING_SECRET):
        assert secret not in said

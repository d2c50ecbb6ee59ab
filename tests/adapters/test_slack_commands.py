"""Commands with a form, whispers and the Home tab on Slack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from adapters.base import (
    Home,
    HomeOpened,
    HomeSection,
    Option,
    ReplyCtx,
    Verb,
)
from tests.adapters.cards import QUESTION
from tests.adapters.drivers import Ears
from tests.adapters.slack_driver import CHANNEL, SlackDriver, chat_to

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
async def learned(in_slack: SlackDriver) -> SlackDriver:
    """A platform that was told which commands there are."""

    async def complete(verb: str, option: str, typed: str) -> list[str]:
        return [f"{verb}-{option}-{name}" for name in ("demo", "tickets") if typed in name]

    await in_slack.stop_bot()
    in_slack.chat.learn((START, STATUS), complete)
    await in_slack.chat.connect(in_slack.ears)
    return in_slack


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


async def test_an_answer_to_a_command_goes_where_it_was_asked_while_it_may(
    in_slack: SlackDriver,
) -> None:
    await in_slack.command("ana", "stop")
    [asked] = in_slack.ears.events
    late = ReplyCtx(
        channel=CHANNEL, token=asked.ctx.token, expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )

    assert await in_slack.chat.whisper(asked.user, asked.ref, "no <!here>", asked.ctx)
    assert await in_slack.chat.whisper(asked.user, asked.ref, "too late", late)

    assert [r["text"] for r in in_slack.slack.responses] == ["no &lt;!here&gt;"]
    assert [w["text"] for w in in_slack.slack.workspace.whispers] == ["too late"]


async def test_a_whisper_is_said_where_it_is_seen(in_slack: SlackDriver) -> None:
    talked = await in_slack.chat.post_card(CHANNEL, QUESTION, "k")
    silent = await in_slack.chat.post_card(CHANNEL, QUESTION, "k2")
    await in_slack.reply("ana", talked, "refnd=5")

    for card in (talked, silent):
        assert await in_slack.chat.whisper(in_slack.user("ana"), card, "did you mean refund?", None)

    threads = [w.get("thread_ts") for w in in_slack.slack.workspace.whispers]
    assert threads == [talked.message, None]


async def test_a_second_process_on_the_same_app_is_told(
    in_slack: SlackDriver, caplog: pytest.LogCaptureFixture
) -> None:
    second = chat_to(in_slack.slack)
    await second.connect(Ears())
    await second.close()

    assert "another process is connected as this Slack app" in caplog.text


async def test_who_is_not_in_the_channel_is_written_to_directly(in_slack: SlackDriver) -> None:
    outsider = in_slack.user("zoe")
    in_slack.slack.workspace.channels[CHANNEL].members.discard("UZOE")

    assert await in_slack.chat.whisper(outsider, CHANNEL, "hello", None)
    in_slack.slack.scopes.discard("im:write")
    assert not await in_slack.chat.whisper(outsider, CHANNEL, "hello", None)

    assert [m.text for m in in_slack.slack.workspace.messages.values()] == ["hello"]


async def test_the_home_tab_is_drawn_for_who_opens_it(in_slack: SlackDriver) -> None:
    await in_slack.slack.open_home("ana")
    [opened] = await in_slack.ears.until(HomeOpened)
    home = Home(title="Joulery", sections=(HomeSection(title="Runs", lines=("r1 is training",)),))

    await in_slack.chat.show_home(opened.user, home)

    drawn = in_slack.slack.workspace.homes["UANA"]
    assert "r1 is training" in str(drawn)


async def test_a_usergroup_lists_its_members(in_slack: SlackDriver) -> None:
    in_slack.slack.workspace.usergroups["S1"] = ["UANA", "UBO"]

    assert await in_slack.chat.members("slack:S1") == {"slack:UANA", "slack:UBO"}
    assert await in_slack.chat.members("slack:S9") is None

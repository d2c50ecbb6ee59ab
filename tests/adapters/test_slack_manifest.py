"""The manifest asks for exactly what the code calls and hears, and the doctor says what is missing."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.slack import scopes
from adapters.slack.doctor import Check, examine
from bot.verbs import ALL
from tests.fake_slack import server as fake
from tests.fake_slack.methods import SCOPES

ROOT = Path(__file__).parents[2]
CODE = "\n".join(
    path.read_text(encoding="utf-8") for path in sorted((ROOT / "adapters/slack").glob("*.py"))
)
PAGED = re.compile(r'"(conversations_\w+)"')
CALLED = re.compile(r"\.(?:once|again|client)\.(\w+)\(|client\.(apps_connections_open)\(")
UPLOADS = ("files.getUploadURLExternal", "files.completeUploadExternal")


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "slack-manifest.yaml").read_text("utf-8"))
    return found


def called() -> set[str]:
    """Every Web API method the adapter calls, read off its source."""
    names = {a or b for a, b in CALLED.findall(CODE)} | set(PAGED.findall(CODE))
    names -= {"apps_connections_open", "connect", "close"}  # under the app token, and the library's
    spelt = {
        "chat_postMessage": "chat.postMessage",
        "chat_postEphemeral": "chat.postEphemeral",
        "usergroups_users_list": "usergroups.users.list",
    }
    methods = {spelt.get(name, name.replace("_", ".", 1)) for name in names}
    return (methods - {"files.upload_v2"}) | set(UPLOADS if "files.upload_v2" in methods else ())


def test_what_is_called_is_what_the_scopes_are_for() -> None:
    assert called() == scopes.NEEDED.keys() | scopes.FREE


def test_the_scopes_are_those_that_slack_asks_for_these_methods() -> None:
    assert {name: SCOPES[name] for name in scopes.NEEDED} == scopes.NEEDED
    assert not scopes.FREE & SCOPES.keys()


def test_the_manifest_asks_for_these_scopes_and_no_other() -> None:
    asked = manifest()["oauth_config"]["scopes"]["bot"]

    assert set(asked) == scopes.REQUIRED | scopes.OPTIONAL.keys()
    assert asked == sorted(asked)


def test_the_manifest_subscribes_to_what_is_heard_and_nothing_else() -> None:
    settings = manifest()["settings"]

    assert set(settings["event_subscriptions"]["bot_events"]) == scopes.EVENTS
    assert settings["socket_mode_enabled"]
    assert settings["interactivity"]["is_enabled"]
    assert not settings["token_rotation_enabled"]
    home = manifest()["features"]["app_home"]
    assert home["home_tab_enabled"]
    assert home["messages_tab_enabled"]  # for direct messages
    [command] = manifest()["features"]["slash_commands"]
    assert command["command"] == scopes.COMMAND
    assert command["should_escape"]  # so that mentions come as ids


@pytest.mark.parametrize(
    ("role", "who"), [("everybody", "all"), ("operator", "operators"), ("admin", "admins")]
)
def test_the_docs_say_who_may_give_which_command(role: str, who: str) -> None:
    text = (ROOT / "docs/slack.md").read_text("utf-8")
    [row] = [line for line in text.splitlines() if line.startswith(f"| {role}")]

    told = re.findall(r"`(\w+)`", row)

    assert set(told) == {spoken.shown.name for spoken in ALL if spoken.who == who}


# --- the doctor ---------------------------------------------------------------------------------


async def examined(slack: fake.FakeSlack, **changes: Any) -> dict[str, Check]:
    given = {
        "bot_token": fake.BOT_TOKEN,
        "channel": fake.CHANNEL,
        "app_token": fake.APP_TOKEN,
        **changes,
    }
    return {check.what: check for check in await examine(**given, base_url=slack.api_url)}


async def test_a_healthy_installation_is_told_so() -> None:
    async with fake.FakeSlack() as slack:
        found = await examined(slack)

        assert list(found) == ["bot token", "scopes", "clock", "events", "channel"]
        assert all(check.is_fine for check in found.values())
        assert not any(check.remedy for check in found.values())


@pytest.mark.parametrize(
    ("changes", "what", "remedy"),
    [
        ({"bot_token": "xoxb-wrong"}, "bot token", "JOULERY_SLACK_BOT_TOKEN"),
        ({"app_token": "xapp-wrong"}, "events", "connections:write"),
        ({"app_token": ""}, "events", "JOULERY_SLACK_APP_TOKEN"),
        ({"channel": "C9"}, "channel", "/invite @Joulery"),
        ({"channel": ""}, "channel", "JOULERY_SLACK_CHANNEL"),
        ({"now": lambda: datetime.now(UTC) + timedelta(minutes=4)}, "clock", "NTP"),
    ],
    ids=["bot token", "app token", "no app token", "channel", "no channel", "clock"],
)
async def test_each_fault_is_found_with_its_remedy(
    changes: dict[str, Any], what: str, remedy: str
) -> None:
    async with fake.FakeSlack() as slack:
        found = await examined(slack, **changes)

        assert found[what].is_fine is False
        assert remedy in found[what].remedy
        assert "xoxb-" not in found[what].found


async def test_missing_scopes_are_named_needed_or_not() -> None:
    async with fake.FakeSlack() as slack:
        slack.scopes -= {"reactions:read", "im:write"}
        found = await examined(slack)

        assert found["scopes"].found == "without reactions:read"
        assert "direct messages" in found["scope im:write"].found


async def test_in_http_mode_only_slack_knows_whether_it_reaches_us() -> None:
    async with fake.FakeSlack() as slack:
        found = await examined(slack, app_token="", signing_secret=fake.SIGNING_SECRET)

        assert found["events"].is_fine is None

"""`joulery doctor` says what is measured, what is guessed, and what would help."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from bot import doctor
from bot.cli import app
from bot.settings import Settings
from tests.fake_discord import server as fake_discord
from tests.fake_slack import server as fake
from trainer.energy.clock import boot_time
from trainer.energy.fake_nvml import Board, FakeNvml, installed, steady


@pytest.fixture
def joulery(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, words)


@pytest.fixture
def boards():
    """A board with a counter, one without, one in slices, one that tells nothing."""
    since = {"loaded_at": boot_time() - 100}
    fake = FakeNvml(
        boot_time,
        [
            Board("GPU-1", power=steady(250), **since),
            Board("GPU-2", power=steady(50), has_counter=False, **since),
            Board("GPU-3", is_sliced=True, **since),
            Board("GPU-4", has_counter=False, has_power=False, **since),
        ],
    )
    with installed(fake):
        yield fake


def test_the_table_says_how_each_part_is_known(joulery, boards):
    shown = joulery("doctor").stdout

    assert "measured     energy counter" in shown
    assert "M-pow" in shown
    assert "not metered  neither energy counter nor power" in shown
    assert "GPU 2 NVIDIA H100 80GB HBM3: sliced board (MIG)" in shown
    assert "not covered: power supply losses" in shown


def test_devices_are_seen_to_move(boards):
    (section,) = doctor.examine(Settings(_env_file=None))

    drawing = section.data["power_w"]
    assert drawing["GPU-1"] == pytest.approx(250, rel=0.1)
    assert drawing["GPU-2"] == pytest.approx(50, rel=0.1)
    assert any("GPU-1 draws 2" in note for note in section.notes)


def test_scripts_get_all_of_it_as_json(joulery, boards):
    data = json.loads(joulery("doctor", "energy", "--json").stdout)["energy"]

    board = data["findings"][0]
    assert (board["state"], board["label"]) == ("measured", "M-ctr")
    assert board["meaning"] == "measured, energy counter"
    assert data["charge_idle"] == "none"


def test_advice_names_what_would_help(joulery):
    assert "→ CPU: set JOULERY_WATTS_PER_CORE" in joulery("doctor").stdout


def test_a_topic_that_is_none_is_said(joulery):
    assert joulery("doctor", "weather").exit_code == 2


async def test_slack_is_looked_at_step_by_step(joulery, monkeypatch):
    async with fake.FakeSlack() as slack:
        slack.workspace.channels[fake.CHANNEL].members.clear()
        given = {
            "bot_token": fake.BOT_TOKEN, "app_token": fake.APP_TOKEN, "channel": fake.CHANNEL,
            "api_url": slack.api_url,
        }  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(f"JOULERY_SLACK_{name.upper()}", value)
        done = await asyncio.to_thread(joulery, "doctor", "slack")
        for_scripts = await asyncio.to_thread(joulery, "doctor", "slack", "--json")
        everything = await asyncio.to_thread(joulery, "doctor")
        slack.workspace.channels[fake.CHANNEL].members.add(fake.BOT_USER)
        mended = await asyncio.to_thread(joulery, "doctor", "slack")
        shown = done.stdout

    assert [r.exit_code for r in (done, for_scripts, everything, mended)] == [1, 1, 1, 0]
    assert "Not right yet, please mend: channel" in shown
    assert "please mend" not in mended.stdout
    assert "bot token  fine   joulery in Fake" in shown
    assert "channel    wrong" in shown
    assert "→ channel: say /invite @Joulery in the channel" in shown
    assert fake.BOT_TOKEN not in shown


def test_slack_without_a_token_says_where_to_get_one(joulery):
    done = joulery("doctor", "slack")

    assert "JOULERY_SLACK_BOT_TOKEN" in done.stdout
    assert done.exit_code == 1


async def test_discord_is_looked_at_step_by_step(joulery, monkeypatch):
    async with fake_discord.FakeDiscord() as discord:
        discord.world.flags = 0
        discord.world.channels[fake_discord.CHANNEL].denied.add("send_messages_in_threads")
        given = {
            "token": fake_discord.TOKEN, "channel": fake_discord.CHANNEL,
            "api_url": discord.api_url,
        }  # fmt: skip
        for name, value in given.items():
            monkeypatch.setenv(f"JOULERY_DISCORD_{name.upper()}", value)
        done = await asyncio.to_thread(joulery, "doctor", "discord")
        discord.world.channels[fake_discord.CHANNEL].denied.clear()
        mended = await asyncio.to_thread(joulery, "doctor", "discord")
        shown = done.stdout
        plain = " ".join(shown.split())
        told = json.loads((await asyncio.to_thread(joulery, "doctor", "discord", "--json")).stdout)

    assert "token fine joulery of the app Joulery" in plain
    assert "Message Content Intent off: only texts that mention the bot count" in plain
    assert "send messages in threads wrong to answer in threads" in plain
    assert "add reactions fine" in plain
    assert "Not right yet, please mend: send messages in threads" in plain
    assert (done.exit_code, mended.exit_code) == (1, 0)  # the intent may stay off
    assert fake_discord.TOKEN not in shown
    link = told["discord"]["invite"]
    assert link in shown  # in one piece, to be copied
    assert "scope=bot+applications.commands" in link
    asked = int(link.partition("permissions=")[2].partition("&")[0])
    assert asked == sum(
        1 << bit for name, bit in fake_discord.PERMISSIONS.items() if not name.startswith("manage")
    )


async def test_a_wrong_token_and_a_channels_name_say_what_to_do(joulery, monkeypatch):
    async with fake_discord.FakeDiscord() as discord:
        monkeypatch.setenv("JOULERY_DISCORD_API_URL", discord.api_url)
        monkeypatch.setenv("JOULERY_DISCORD_CHANNEL", "#training")
        without = await asyncio.to_thread(joulery, "doctor", "discord")
        monkeypatch.setenv("JOULERY_DISCORD_TOKEN", fake_discord.TOKEN)
        named = await asyncio.to_thread(joulery, "doctor", "discord")

    assert "JOULERY_DISCORD_TOKEN" in without.stdout
    assert "Copy Channel ID" in named.stdout
    assert (without.exit_code, named.exit_code) == (1, 1)

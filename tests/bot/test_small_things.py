"""Access, numbers in words, settings, the device slot, and what the bot process loads."""

import asyncio
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import words
from bot.access import Access
from bot.settings import Settings, SettingsError, read_settings
from bot.slot import DeviceSlot
from storage.energy import EnergyTotal


def test_nobody_listed_means_nobody_may_start():
    reason = Access().may_command("web:ana", "start")

    assert "JOULERY_OPERATORS" in reason
    assert "web:ana" in reason


@pytest.mark.parametrize("verb", ["status", "energy", "help"])
def test_everybody_may_look(verb):
    assert Access().may_command("web:ana", verb) == ""


def test_operators_are_listed_by_id_or_pattern():
    access = Access(operators=("slack:U1", "web:*"))

    assert access.may_command("slack:U1", "stop") == ""
    assert access.may_command("web:anybody", "stop") == ""
    assert access.may_command("slack:U2", "stop") != ""


def test_votes_of_all_count_unless_voters_are_listed():
    assert Access().may_vote("web:ana")
    assert not Access(voters=("slack:*",)).may_vote("web:ana")


@pytest.mark.parametrize(
    ("joules", "text"),
    [
        (0, "0 J"),
        (12.345, "12.3 J"),
        (3599, "3599 J"),
        (3600, "1.00 Wh"),
        (359_999, "100 Wh"),
        (4.32e6, "1.20 kWh"),
    ],
)
def test_energy_is_shown_in_the_unit_that_suits_it(joules, text):
    assert words.energy(joules, 0) == f"{text} ±0"


@given(st.floats(min_value=0, max_value=1e12), st.floats(min_value=0, max_value=1))
def test_every_energy_has_a_unit_an_uncertainty_and_its_origin(joules, measured):
    parts = {"M-ctr": joules * measured, "E-tdp": joules * (1 - measured)}
    total = EnergyTotal(energy_j=joules, u_j=0.3 * joules, by_provenance=parts)

    text = words.energy_total(total)

    assert re.search(r"\d k?(J|Wh)\b", text)
    assert "±" in text
    assert joules == 0 or "measured" in text or "estimated" in text


def test_time_that_could_not_be_read_is_said():
    assert "2 min not known" in words.energy_total(EnergyTotal(energy_j=5, unknown_s=120))


@pytest.mark.parametrize(
    ("seconds", "text"), [(8, "8 s"), (190, "3 min 10 s"), (120, "2 min"), (7500, "2 h 5 min")]
)
def test_durations_read_like_speech(seconds, text):
    assert words.duration(seconds) == text


def test_every_setting_has_a_line_in_the_example_with_its_default():
    example = Path(".env.example").read_text(encoding="utf-8")
    lines = dict(re.findall(r"^#?(JOULERY_\w+)=(.*)$", example, re.MULTILINE))

    assert set(lines) == {f"JOULERY_{name.upper()}" for name in Settings.model_fields}
    shown = {k.removeprefix("JOULERY_").lower(): v for k, v in lines.items() if v}
    assert Settings(_env_file=None, **shown) == Settings(_env_file=None)


def test_wrong_settings_are_all_named_in_one_message(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOULERY_WEB_PORT", "99999")
    monkeypatch.setenv("JOULERY_SECONDS_PER_VOTE", "soon")

    with pytest.raises(SettingsError) as caught:
        read_settings()

    assert "JOULERY_WEB_PORT = '99999'" in str(caught.value)
    assert "JOULERY_SECONDS_PER_VOTE = 'soon'" in str(caught.value)


def test_the_example_as_it_stands_is_a_valid_set_of_settings(monkeypatch, tmp_path):
    """Every line uncommented: an empty value means the default."""
    example = Path(".env.example").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    lines = re.sub(r"^#(JOULERY_)", r"\1", example, flags=re.MULTILINE)
    (tmp_path / ".env").write_text(lines, encoding="utf-8")

    assert read_settings() == Settings(_env_file=None)


@pytest.mark.parametrize("number", ["inf", "nan", "1e999"])
@pytest.mark.parametrize("name", ["TARIFF_PER_KWH", "SECONDS_PER_VOTE", "WATTS_PER_CORE", "PUE"])
def test_what_is_no_amount_is_refused(monkeypatch, name, number):
    monkeypatch.setenv(f"JOULERY_{name}", number)

    with pytest.raises(SettingsError, match=f"JOULERY_{name} = '{number}'"):
        read_settings()


def test_a_time_zone_that_there_is_not_is_refused_and_so_is_half_a_currency(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOULERY_TIMEZONE", "Europe/Atlantis")
    monkeypatch.setenv("JOULERY_CURRENCY", "euros")

    with pytest.raises(SettingsError) as caught:
        read_settings()

    assert "JOULERY_TIMEZONE = 'Europe/Atlantis': Value error, no time zone is called so" in str(
        caught.value
    )
    assert "JOULERY_CURRENCY = 'euros'" in str(caught.value)


def test_lists_are_written_with_commas(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOULERY_OPERATORS", "web:ana, slack:U1,")

    assert read_settings().operators == ("web:ana", "slack:U1")


async def test_whoever_matters_more_gets_the_device_next():
    slot, order = DeviceSlot(), []

    async def work(name, priority):
        async with slot.held(priority):
            order.append(name)
            await asyncio.sleep(0)

    async with slot.held(0):
        tasks = [asyncio.create_task(work(*w)) for w in (("control", 1), ("human", 0), ("late", 1))]
        await asyncio.sleep(0)
        tasks[2].cancel()
        await asyncio.sleep(0)
    await asyncio.gather(*tasks, return_exceptions=True)

    assert order == ["human", "control"]
    async with asyncio.timeout(1), slot.held(5):
        pass  # nothing is left behind


def test_the_bot_process_loads_neither_torch_nor_matplotlib():
    code = (
        "import sys, bot.cli, bot.app, bot.compare, bot.serving\n"
        "print([m for m in ('torch', 'transformers', 'peft', 'matplotlib', 'codecarbon', 'scipy.stats',"
        " 'tensorboardX', 'pyarrow', 'datasets')"
        " if m in sys.modules])"
    )

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "[]"


def test_no_other_distribution_owns_our_package_names():
    owners = packages_distributions()

    for room in ("bot", "trainer", "adapters", "storage"):
        assert set(owners.get(room, ["joulery"])) == {"joulery"}

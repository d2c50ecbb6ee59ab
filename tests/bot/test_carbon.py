"""The grid's intensity: CodeCarbon's own table, asked once by a real child process."""

import json
import subprocess
import sys

import pytest

from bot.energy import carbon
from bot.energy.carbon import grid_of
from bot.settings import Settings, SettingsError


def settings(tmp_path, **changes):
    return Settings(_env_file=None, data_dir=tmp_path, **changes)


async def test_a_country_has_its_number_its_year_and_its_source(tmp_path):
    """Germany, from the table of the installed version; 475 is what a world average would be."""
    grid = await grid_of(settings(tmp_path, country="deu"))

    assert (grid.country, grid.place, grid.year) == ("DEU", "Germany", 2023)
    assert grid.g_per_kwh == pytest.approx(380.95)
    assert grid.source.startswith("CodeCarbon 3.3")
    assert grid.said == "381 g/kWh (Germany, 2023 average, location-based)"


async def test_a_country_is_asked_about_once(tmp_path, monkeypatch):
    first = await grid_of(settings(tmp_path, country="SWE"))
    monkeypatch.setattr(sys, "executable", "/nowhere/python")  # a second question would fail

    assert await grid_of(settings(tmp_path, country="SWE")) == first


async def test_another_version_of_the_table_is_asked_again(tmp_path):
    first = await grid_of(settings(tmp_path, country="FRA"))
    [kept] = tmp_path.glob("grid-*.json")
    kept.write_text(json.dumps({**json.loads(kept.read_text()), "g_per_kwh": 1, "source": "old"}))

    assert await grid_of(settings(tmp_path, country="FRA")) == first


@pytest.mark.parametrize("text", ["", "[]", "{}", "no JSON"])
async def test_a_kept_answer_that_is_broken_is_asked_for_again(tmp_path, text):
    (tmp_path / "grid-FRA.json").write_text(text)

    assert (await grid_of(settings(tmp_path, country="FRA"))).country == "FRA"


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"country": "GER"}, "JOULERY_COUNTRY = 'GER'.*three-letter ISO code"),
        ({"country": "Germany"}, "JOULERY_COUNTRY = 'GERMANY'.*did you mean DEU?"),
        ({"country": "USA", "region": "nowhere"}, "JOULERY_REGION = 'nowhere'"),
        ({"country": "DEU", "region": "bavaria"}, "JOULERY_REGION = 'bavaria'"),
        ({"region": "california"}, "set JOULERY_COUNTRY, too"),
    ],
)
async def test_an_unknown_place_is_an_error_with_its_remedy_and_never_a_world_average(
    tmp_path, places, said
):
    with pytest.raises(SettingsError, match=said):
        await grid_of(settings(tmp_path, **places))
    assert not list(tmp_path.iterdir())


async def test_a_region_is_not_its_country(tmp_path):
    state = await grid_of(settings(tmp_path, country="USA", region="california"))

    assert state.g_per_kwh == pytest.approx(179.06, abs=0.01)
    assert state.place == "United States, california"


async def test_no_country_no_carbon(tmp_path):
    assert await grid_of(settings(tmp_path)) is None


def test_asking_talks_to_nobody():
    """The audit hook sees the child's sockets: urllib3 binds one of its own to try IPv6."""
    code = (
        "import sys, runpy\n"
        "sys.argv = ['bot.energy.carbon', 'DEU']\n"
        "def hook(event, args):\n"
        "    if event in ('socket.connect', 'socket.sendto', 'socket.getaddrinfo'):\n"
        "        sys.stderr.write(f'AUDIT {event} {args}\\n')\n"
        "sys.addaudithook(hook)\n"
        "runpy.run_module('bot.energy.carbon', run_name='__main__')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(done.stdout)["country"] == "DEU"
    assert "AUDIT" not in done.stderr


def test_the_bot_itself_knows_nothing_of_codecarbon():
    code = "import sys, bot.app, bot.energy.carbon\nprint('codecarbon' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "False"
    assert carbon.UNKNOWN != 1  # a crash is no answer

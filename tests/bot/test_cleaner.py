"""Going on when the grid is cleanest: windows by hand, then where forecasts come from."""

import asyncio
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from hypothesis import example, given
from hypothesis import strategies as st

from bot.energy import intensity
from bot.energy.cleaner import ForecastError, Slice, Window, cleanest, read
from bot.energy.intensity import CsvAddress, CsvFile, provider
from bot.settings import SettingsError
from tests.storage.records import at

HOUR = 3600
GRID = tuple(Slice(at(i * HOUR), g) for i, g in enumerate([400.0, 300.0, 100.0, 200.0, 500.0]))
TEXT = "start,g_per_kwh\n2026-11-23T13:00:00+00:00,300\n2026-11-23T12:00:00+00:00,400\n"


def best(hours_until=4.0, lasts=1.0, now=0.0, grid=GRID):
    return cleanest(grid, at(now * HOUR), at(hours_until * HOUR), timedelta(hours=lasts))


def test_an_hour_of_training_waits_for_the_cleanest_hour():
    assert best() == Window(at(2 * HOUR), pytest.approx(100), pytest.approx(400))


def test_two_hours_take_the_cleanest_two():
    assert best(lasts=2.0) == Window(at(2 * HOUR), pytest.approx(150), pytest.approx(350))


def test_a_window_may_end_with_a_slice_rather_than_begin_with_one():
    """1.5 h: from 2.0 it is (100 + .5 * 200) / 1.5, from 1.5 on (.5 * 300 + 100) / 1.5: dearer."""
    grid = tuple(Slice(at(i * HOUR), g) for i, g in enumerate([400.0, 200.0, 100.0, 600.0, 600.0]))

    assert best(lasts=1.5, grid=grid).start == at(1.5 * HOUR)


def test_nobody_waits_beyond_the_deadline():
    assert best(hours_until=1.0) == Window(at(HOUR), pytest.approx(300), pytest.approx(400))
    assert best(hours_until=0.5) == Window(at(HOUR / 2), pytest.approx(350), pytest.approx(400))
    assert best(hours_until=0.1) is None


def test_nobody_waits_for_next_to_nothing():
    flat = tuple(Slice(at(i * HOUR), g) for i, g in enumerate([400.0, 390.0, 400.0]))

    assert best(grid=flat) is None


@given(
    st.lists(st.integers(0, 900), min_size=2, max_size=30),
    st.floats(0, 20),
    st.floats(0, 30),
    st.floats(0.1, 9),
)
@example([0, 0, 0, 0, 0, 1, 0, 0, 0], 3.0, 2.5, 3.0)  # best at the deadline itself
def test_means_are_those_of_every_minute(grams, now, wait, lasts):
    """Against the plain sum: no start, minute by minute, is cleaner than the one that was found."""
    grid = tuple(Slice(at(i * HOUR), float(g)) for i, g in enumerate(grams))

    def mean(start):  # hours
        inside = [max(0.0, min(i + 1, start + lasts) - max(i, start)) for i in range(len(grams))]
        return sum(g * h for g, h in zip(grams, inside, strict=True)) / lasts

    last = min(now + wait, len(grams) - lasts)
    tried = [now + (last - now) * n / 100 for n in range(101)] if last > now else []
    found = best(now + wait, lasts, now, grid)

    if found is None:
        if now + lasts <= len(grams):
            assert all(mean(start) >= 0.95 * mean(now) - 1e-6 for start in tried)
    else:
        start = (found.start - at(0)).total_seconds() / HOUR
        assert found.g_per_kwh == pytest.approx(mean(start), abs=1e-3)
        assert found.now_g_per_kwh == pytest.approx(mean(now), abs=1e-3)
        assert found.g_per_kwh <= min(map(mean, tried), default=1e9) + 1e-3
        assert now < start <= now + wait + 1e-6


def test_a_forecast_of_a_month_by_minutes_is_searched_at_once():
    """43,200 slices, as many starts: window by window that were billions of steps."""
    grid = tuple(Slice(at(60 * n), 300.0 + n % 997) for n in range(43_200))

    began = time.process_time()
    found = cleanest(grid, at(60 * 500), at(60 * 40_000), timedelta(hours=1))

    assert found is not None
    assert time.process_time() - began < 5


@pytest.mark.parametrize("now", [-1.0, 4.5])
def test_what_the_forecast_does_not_cover_is_not_guessed(now):
    assert best(now=now) is None


@pytest.mark.parametrize("grid", [(), GRID[:1]])
def test_without_a_forecast_nobody_waits(grid):
    assert best(grid=grid) is None


# --- where they come from -----------------------------------------------------------------------


def test_a_file_is_read_in_order_of_time():
    found = read(TEXT)

    assert [s.g_per_kwh for s in found] == [400, 300]
    assert found[0].start == datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a,b\n1,2\n", "no columns"),
        ("", "no columns"),
        ("start,g_per_kwh\nsoon,3\n", "line 2"),
        ("start,g_per_kwh\n2026-11-23T12:00:00,3\n", "offset"),
        ("start,g_per_kwh\n2026-11-23T12:00:00+00:00,-3\n", "from 0 on"),
        ("start,g_per_kwh\n2026-11-23T12:00:00+00:00,nan\n", "from 0 on"),
        ("start,g_per_kwh\n2026-11-23T12:00:00+00:00\n", "line 2"),
        ("start,g_per_kwh\n0001-01-01T00:00:00+00:00,3\n", "line 2: the year 1"),
        (f"start,g_per_kwh\n{'2' * 200_000},3\n", "field limit"),
    ],
)
def test_what_is_no_forecast_is_refused_with_its_line(text, why):
    with pytest.raises(ForecastError, match=why):
        read(text)


async def test_a_broken_file_is_logged_and_nobody_waits(tmp_path, caplog):
    path = tmp_path / "grid.csv"
    path.write_text("nothing of use")

    assert await CsvFile(path).forecast() == ()
    assert "no grid forecast" in caplog.text


async def test_what_a_file_said_last_holds_while_it_is_written_anew(tmp_path):
    path = tmp_path / "grid.csv"
    path.write_text(TEXT)
    source = CsvFile(path)
    known = await source.forecast()

    path.write_text(TEXT[:40])
    assert await source.forecast() == known == read(TEXT)
    path.write_text(TEXT.replace(",300", ",200"))
    assert [s.g_per_kwh for s in await source.forecast()] == [400, 200]


def test_lines_may_end_as_they_like():
    assert read(TEXT.replace("\n", "\r")) == read(TEXT.replace("\n", "\r\n")) == read(TEXT)


async def test_an_answer_that_comes_in_pieces_is_read_whole(unused_tcp_port):
    """The first piece alone would be a forecast, too: of one slice, and of 3 g."""

    async def give(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in (TEXT[:46], TEXT[46:]):
            await response.write(piece.encode())
            await asyncio.sleep(0.1)
        return response

    async with served(give, unused_tcp_port) as url:
        assert await CsvAddress(url).forecast() == read(TEXT)


async def test_an_address_that_falls_silent_leaves_what_it_said(unused_tcp_port, monkeypatch):
    monkeypatch.setattr(intensity, "FRESH_S", 0.0)
    answers = iter([web.Response(text=TEXT), web.Response(status=503)])

    async def give(request):
        return next(answers)

    async with served(give, unused_tcp_port) as url:
        source = CsvAddress(url)
        assert await source.forecast() == await source.forecast() == read(TEXT)


@asynccontextmanager
async def served(give, port):
    """A server that gives that; its address."""
    app = web.Application()
    app.router.add_get("/grid.csv", give)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{port}/grid.csv"
    finally:
        await runner.cleanup()


async def test_an_address_is_asked_once_in_a_while(unused_tcp_port):
    asked = []

    async def give(request):
        asked.append(request.path)
        return web.Response(text=TEXT)

    async with served(give, unused_tcp_port) as url:
        source = CsvAddress(url)
        first, second = await source.forecast(), await source.forecast()

    assert first == second == read(TEXT)
    assert len(asked) == 1


async def test_an_address_that_does_not_answer_is_no_reason_to_wait_and_in_no_log(
    unused_tcp_port, caplog
):
    source = CsvAddress(f"http://127.0.0.1:{unused_tcp_port}/grid.csv?key=secret")

    assert await source.forecast() == ()
    assert "no grid forecast" in caplog.text
    assert "secret" not in str([vars(r) for r in caplog.records])


@pytest.mark.parametrize(
    "setting",
    ["no/such/file.csv", "ftp://x/y.csv", "http://ana:secret@example.org/secret?a=secret"],
)
def test_a_setting_that_names_no_source_is_refused(setting):
    with pytest.raises(SettingsError, match="JOULERY_CARBON_FORECAST") as err:
        provider(setting)
    assert "secret" not in str(err.value)


async def test_without_a_setting_nothing_is_asked():
    assert await provider(None).forecast() == ()

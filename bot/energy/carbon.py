"""Grams of CO2e per kWh of a country's grid, from CodeCarbon's offline tables.

CodeCarbon is asked once per country, by `python -m bot.energy.carbon DEU`, a short process of its own: it
takes a second to import and never lives in the bot. The answer is kept in the data directory.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from bot.energy.grid import Grid
from bot.settings import Settings, SettingsError
from trainer.files import write_whole

UNKNOWN = 3
"""Exit code of the child: no such country or region."""


async def grid_of(settings: Settings) -> Grid | None:
    """The grid of the country that is set; None where none is.

    Raises:
        SettingsError: the table knows no such country or region, or could not be read.
    """
    if settings.country is None and settings.region is not None:
        raise SettingsError(
            f"JOULERY_REGION = {settings.region!r} is part of no country that is set; set "
            "JOULERY_COUNTRY, too, or leave it empty"
        )
    if settings.country is None:
        return None
    words = [settings.country.upper(), *([settings.region] if settings.region else [])]
    kept = settings.data_dir / f"grid-{re.sub(r'[^A-Za-z0-9-]', '_', '-'.join(words))}.json"
    source = f"CodeCarbon {version('codecarbon')}"
    found = await asyncio.to_thread(_kept, kept, source)
    if found is not None:
        return found
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot.energy.carbon", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    answer, _ = await process.communicate()
    if process.returncode == UNKNOWN:
        raise SettingsError(answer.decode().strip())
    if process.returncode != 0:
        raise SettingsError(
            f"JOULERY_COUNTRY = {settings.country!r}: CodeCarbon's table could not be read "
            f"(exit code {process.returncode}); reinstall it, or leave JOULERY_COUNTRY empty"
        )
    grid = Grid(**json.loads(answer), source=source)
    await asyncio.to_thread(_keep, kept, grid)
    return grid


def _kept(path: Path, source: str) -> Grid | None:
    """What was asked before, of the same table."""
    try:
        found = Grid(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.source == source else None


def _keep(path: Path, grid: Grid) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(asdict(grid)))


# --- the child ----------------------------------------------------------------------------------


class _Unknown(Exception):  # noqa: N818 -- reads as what happened
    """No such place; the text names the setting and the remedy."""


def _ask(country: str, region: str | None = None) -> dict[str, Any]:
    from codecarbon.core.emissions import Emissions
    from codecarbon.core.units import Energy
    from codecarbon.external.geography import GeoMetadata
    from codecarbon.input import DataSource

    tables: Any = DataSource()  # type: ignore[no-untyped-call]
    countries = tables.get_global_energy_mix_data()
    if country not in countries:
        near = [iso for iso, mix in countries.items() if mix["country_name"].upper() == country]
        hint = f"; did you mean {near[0]}?" if near else ""
        raise _Unknown(
            f"JOULERY_COUNTRY = {country!r}: CodeCarbon's table has {len(countries)} countries and "
            f"not this one; give its three-letter ISO code, e.g. DEU, or leave it empty{hint}"
        )
    mix = countries[country]
    geo = GeoMetadata(country_iso_code=country, country_name=mix["country_name"], region=region)
    emissions = Emissions(tables)
    one = Energy.from_energy(kWh=1.0)
    if region is None:
        kg, year = emissions.get_country_emissions(one, geo), mix.get("year")
        return {
            "g_per_kwh": kg * 1000,
            "year": year,
            "place": mix["country_name"],
            "country": country,
        }
    try:
        kg = emissions.get_region_emissions(one, geo)
    except (LookupError, ValueError) as err:
        raise _Unknown(
            f"JOULERY_REGION = {region!r}: CodeCarbon's table has no such region of {country} "
            "(it has some of USA, CAN, CHN, SWE, NOR and FIN); correct it, or leave it empty"
        ) from err
    if abs(kg - emissions.get_country_emissions(one, geo)) < 1e-12:
        raise _Unknown(
            f"JOULERY_REGION = {region!r}: CodeCarbon has no figure of its own for it; leave it empty"
        )
    year = _year_of_regions(tables, country)
    place = f"{mix['country_name']}, {region}"
    return {"g_per_kwh": kg * 1000, "year": year, "place": place, "country": country}


def _year_of_regions(tables: Any, country: str) -> int | None:
    """The year of the regional table, where it is written in it."""
    from codecarbon.input import DataSourceException

    try:
        source = tables.get_country_emissions_data(country.lower()).get("_source", {})
    except DataSourceException:  # tables of other forms say no year
        return None
    year = source.get("year")
    return int(year) if year else None


if __name__ == "__main__":
    import contextlib

    try:
        with contextlib.redirect_stdout(sys.stderr):  # libraries print there
            _found = _ask(*sys.argv[1:3])
    except _Unknown as unknown:
        sys.stdout.write(str(unknown))
        sys.exit(UNKNOWN)
    sys.stdout.write(json.dumps(_found))

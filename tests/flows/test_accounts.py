"""What a real run's books say: people measured, joules compared, CO2e and money where they are set."""

import asyncio

import pytest

from bot.conclusion import read_report
from bot.energy.exporting import export_energy
from bot.settings import SettingsError
from storage.models import RunState
from tests.flows.people import head, thread, vote_until_ended
from trainer.spec import SpecError

PRICED = {"country": "DEU", "tariff_per_kwh": 0.3, "labour_per_hour": 40.0, "currency": "CHF"}


async def test_a_run_is_told_with_its_people_its_carbon_and_its_cost(
    open_bot, chat, tiny_spec, settings
):
    async with open_bot(**PRICED) as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana", arms=("human", "control"))
        run = await vote_until_ended(chat, bot, run)
        report = read_report(run)
        await chat.command("ana", f"energy {run.run_id}", "joulery")
        await chat.until(lambda: any("Net of idle" in p.text for p in chat.posts.values()))

    assert run.state is RunState.FINISHED
    people = report["people"]
    assert people["measured_answers"] > 0
    assert people["source"] == "measured per answer"
    assert 0 < people["median_s"] < 60  # whoever votes here is no person, and quick
    assert people["currency"] == "CHF"
    assert report["carbon"]["g_per_kwh"] == pytest.approx(380.95)
    assert report["carbon"]["year"] == 2023
    assert report["cost"].keys() == {"currency", "electricity", "people's time"}
    assert report["energy_j"]["u_j"] > 0
    said = "\n".join(thread(chat, head(chat, run).ref))
    assert "CHF of people's time" in said
    assert "measured, median" in said
    answer = next(p.text for p in chat.posts.values() if "Net of idle" in p.text)
    assert "g CO2e ±" in answer
    assert "PUE not applied" in answer
    assert "Cost: electricity" in answer
    priced = settings.model_copy(update=PRICED)
    text = await asyncio.to_thread(export_energy, priced, None, "sci")
    assert '"R": "1,000 votes"' in text


async def test_money_without_prices_is_refused_at_the_start(open_bot, chat, tiny_spec):
    async with open_bot(tariff_per_kwh=0.3) as bot:
        with pytest.raises(SpecError, match="set JOULERY_LABOUR_PER_HOUR, or state another"):
            await bot.rounds.begin(tiny_spec(value="money"), who="memory:ana")

        assert bot.house.store.runs.all() == []


async def test_an_unknown_country_is_refused_at_the_start(open_bot):
    with pytest.raises(SettingsError, match="JOULERY_COUNTRY = 'ATLANTIS'"):
        async with open_bot(country="Atlantis"):
            pass


async def test_a_power_limit_that_cannot_be_set_is_one_sentence_however_often_tried(open_bot):
    for _ in range(2):  # nothing of the first try is in the way of the second
        with pytest.raises(SettingsError, match=r"JOULERY_GPU_POWER_CAP_W = 300.*: unset it"):
            async with open_bot(gpu_power_cap_w=300.0):
                pass

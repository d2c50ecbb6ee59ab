"""Energy for other tools: what is written can be read back, and adds up."""

import csv
import io
import json

import pytest
import yaml

from bot import cli
from bot.energy import export as energy_export
from bot.energy.costs import Account, Costs, Place
from bot.energy.effort import People
from bot.energy.export import ExportError
from bot.energy.exporting import export_energy
from bot.energy.grid import Grid
from bot.energy.prices import Prices
from bot.settings import Settings
from storage import energy
from storage.models import EnergyBaseline
from storage.store.store import Store
from tests.storage.records import T0, new_run, reading

GERMANY = Grid(400.0, 2023, "Germany", "DEU", "CodeCarbon 3.3.2")
VOTED = People.assumed(50, 7.2)  # 360 s x 30 W = 10,800 J
READINGS = [
    reading(0, 3.6e6),
    reading(1, 1.8e6, phase="evaluate"),
    reading(2, 1.8e6, provenance="E-tdp", device="cpu", source="cpu", arm="control"),
    reading(3, None),
]


@pytest.fixture
def account(store):
    """2 kWh: 1.5 counted, 0.5 guessed; u = sqrt(.075^2 + .25^2) = .261 kWh."""
    place = Place(Prices("EUR", 0.3), 30.0, GERMANY, 1.2)
    parts = energy.sums(READINGS)
    baseline = EnergyBaseline(
        run_id="r1", source="nvml", device="GPU-1", power_w=3.6e5, sd_w=0.0, window_s=60.0, at=T0
    )
    return Account(new_run(store), parts, [baseline], Costs.of(parts, VOTED, place))


def test_the_csv_holds_every_slice_with_its_interval_and_the_unknown_is_empty():
    rows = list(csv.DictReader(io.StringIO(energy_export.as_csv(READINGS))))

    assert [row["energy_j"] for row in rows] == ["3600000.0", "1800000.0", "1800000.0", ""]
    assert [row["u_j"] for row in rows] == ["180000.0", "90000.0", "900000.0", ""]
    assert rows[3]["note"] == "the counter could not be read"
    assert rows[0]["started_at"] == "2026-11-23T12:00:00Z"


def test_the_json_adds_up_by_arm_and_by_phase(account):
    found = json.loads(energy_export.as_json(account))

    assert found["total"]["j"] == 7.2e6
    assert sum(arm["j"] for arm in found["arms"].values()) == found["total"]["j"]
    assert sum(p["j"] for p in found["total"]["phases"].values()) == found["total"]["j"]
    assert found["total"]["u_j"] == pytest.approx((270e3**2 + 900e3**2) ** 0.5)
    assert found["total"]["coverage"] == 0.75
    assert found["net"]["energy_j"] == pytest.approx(7.2e6 - 2 * 3.6e5)
    assert found["cost"] == {"currency": "EUR", "electricity": 0.6}
    assert found["carbon"]["g"] == pytest.approx((2 * 1.2 + 0.003) * 400)
    assert (found["carbon"]["year"], found["carbon"]["pue"]) == (2023, 1.2)


def test_the_model_cards_block_is_front_matter_in_grams(account):
    text = energy_export.as_model_card(account, "one board")

    assert text.startswith("---\nco2_eq_emissions:\n")
    assert text.endswith("\n---\n")
    block = yaml.safe_load(text.strip("-\n"))["co2_eq_emissions"]
    assert block["emissions"] == pytest.approx(961.2)
    assert block["training_type"] == "fine-tuning"
    assert block["geographical_location"] == "Germany"
    assert block["hardware_used"] == "one board"
    assert "75% of the energy measured" in block["source"]
    assert "2.00 kWh ±0.26" in block["source"]
    assert "2023 average, location-based" in block["source"]


def test_the_hub_itself_reads_the_block(account):
    cards = pytest.importorskip("huggingface_hub").ModelCardData
    block = yaml.safe_load(energy_export.as_model_card(account, "x").strip("-\n"))

    assert cards(**block).to_dict()["co2_eq_emissions"]["emissions"] == pytest.approx(961.2)


def test_sci_is_a_rate_with_its_r_and_says_that_m_is_excluded(account):
    report = {"arms": {"human": {"energy_to_target_j": 1.8e6}}}

    found = json.loads(energy_export.as_sci(account, report))

    assert found["M"] == "excluded"
    assert found["I_g_per_kwh"] == 400
    by = {rate["R"]: rate for rate in found["rates"]}
    assert by["one run, all its arms"]["sci_g"] == pytest.approx(961.2)
    assert by["run to target (the control's metric), with votes"]["sci_g"] == pytest.approx(240)
    assert by["1,000 votes"]["sci_g"] == pytest.approx(961.2 * 20)
    assert all(0 < rate["u_g"] < rate["sci_g"] for rate in found["rates"])


@pytest.mark.parametrize(
    "write",
    [lambda a: energy_export.as_model_card(a, "x"), lambda a: energy_export.as_sci(a, None)],
)
def test_without_a_country_no_carbon_is_written_and_the_remedy_is_named(account, write):
    bare = Account(
        account.run, account.parts, [], Costs.of(account.parts, VOTED, Place(Prices(), 30))
    )

    with pytest.raises(ExportError, match="JOULERY_COUNTRY"):
        write(bare)


@pytest.mark.parametrize(
    "write",
    [
        energy_export.as_json,
        lambda a: energy_export.as_model_card(a, "x"),
        lambda a: energy_export.as_sci(a, None),
    ],
)
def test_a_run_that_was_not_metered_emitted_an_unknown_amount_and_not_none(account, write):
    """A table without rows says as much by itself."""
    for parts in ([], energy.sums([reading(0, None)])):
        costs = Costs.of(parts, People.assumed(0, 8.0), account.costs.place)
        with pytest.raises(ExportError, match="no energy is booked on run r1"):
            write(Account(account.run, parts, [], costs))
    assert energy_export.as_csv([]).count("\n") == 1


def test_what_a_small_run_emits_is_not_rounded_to_nothing(account):
    parts = energy.sums([reading(0, 20.0)])
    costs = Costs.of(parts, People.assumed(0, 8.0), account.costs.place)
    block = yaml.safe_load(
        energy_export.as_model_card(Account(account.run, parts, [], costs), "x").strip("-\n")
    )

    assert block["co2_eq_emissions"]["emissions"] == pytest.approx(20 / 3.6e6 * 1.2 * 400, rel=1e-3)


# --- the command --------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'joulery.db'}")
    run = new_run(store)
    store.ledger.add([r.model_copy(update={"run_id": run.run_id}) for r in READINGS])
    return Settings(_env_file=None, data_dir=tmp_path)


def test_the_newest_run_is_told_in_words_unless_a_format_is_asked_for(settings):
    assert "Run r1: 2.00 kWh ±0.26 (75% measured)" in export_energy(settings, None, None)
    assert export_energy(settings, "r1", "csv").count("\n") == 5


def test_without_runs_that_is_said(tmp_path):
    Store.open(f"sqlite:///{tmp_path / 'joulery.db'}")

    with pytest.raises(ExportError, match="there are no runs yet"):
        export_energy(Settings(_env_file=None, data_dir=tmp_path), None, None)


def test_a_run_that_is_none_is_answered_with_those_there_are(settings):
    with pytest.raises(ExportError, match="there is no run r9; the last ones: r1"):
        export_energy(settings, "r9", "json")


def test_the_command_writes_a_file_and_errors_are_one_sentence(settings, monkeypatch, capsys):
    monkeypatch.chdir(settings.data_dir)
    monkeypatch.setenv("JOULERY_DATA_DIR", str(settings.data_dir))
    path = settings.data_dir / "out" / "r1.csv"
    monkeypatch.setattr(
        "sys.argv", ["joulery", "energy", "r1", "--format", "csv", "--output", str(path)]
    )
    with pytest.raises(SystemExit) as done:
        cli.run()
    assert not done.value.code
    assert path.read_text().startswith("run_id,arm,")

    monkeypatch.setattr("sys.argv", ["joulery", "energy", "--format", "co2"])
    with pytest.raises(SystemExit) as refused:
        cli.run()
    assert refused.value.code == cli.BAD_INPUT
    assert "JOULERY_COUNTRY" in capsys.readouterr().err

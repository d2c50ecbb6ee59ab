"""The command line's own words; what it starts is tested in tests/flows."""

import json
from datetime import UTC, datetime

import pytest
from typer.testing import CliRunner

from bot.cli import app
from storage.models import RunState
from storage.store.store import Store

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def joulery(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JOULERY_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(app, words)


def test_without_runs_status_says_how_to_see_one(joulery):
    assert "joulery demo" in joulery("status").stdout


def test_status_shows_reasons_as_they_stand_whatever_they_hold(joulery, tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'data' / 'joulery.db'}")
    run = store.runs.create(
        name="br", spec={}, seed=0, arms=["human"], runs_folder=tmp_path, who="ana", now=NOW
    )
    why = "all samples carry the label '[/b] urgent :b: '"
    store.runs.move(run.run_id, RunState.FAILED, who="joulery", why=why, now=NOW)

    shown, data = joulery("status"), joulery("status", "--json")

    assert (shown.exit_code, data.exit_code) == (0, 0)
    assert why in shown.stdout
    assert json.loads(data.stdout)[0]["reason"] == why


def test_who_asked_elsewhere_is_forgotten_by_an_administrator(joulery, tmp_path):
    store = Store.open(f"sqlite:///{tmp_path / 'data' / 'joulery.db'}")
    store.upkeep.audit(
        at=NOW, member_id="web:zoequx", words="status", run_id=None, is_allowed=True, answer="-"
    )

    unknown, done = joulery("forget", "web:nobody"), joulery("forget", "web:zoequx")

    assert unknown.exit_code == 1
    assert "nobody called web:nobody is known" in str(unknown.exception)
    assert "they are forgotten" in done.stdout
    assert [who.startswith("web:gone-") for who, _, _ in store.upkeep.commands()] == [True]

"""Votes that were given elsewhere count in a run, once."""

from __future__ import annotations

import asyncio
import csv
import json

import pytest
from typer.testing import CliRunner

from bot.cli import app
from bot.energy.export import ExportError
from bot.export.exporting import export, pool_of
from bot.export.importing import import_votes
from storage.store.store import Store
from storage.store.votes import VoteStore
from tests.flows.people import open_cards, vote_until_ended


async def take_in(settings, path, *, is_preview=False):
    return await asyncio.to_thread(import_votes, settings, path, None, is_preview=is_preview)


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    return path


async def test_votes_of_another_tool_are_learnt_from_and_the_same_file_again_is_nothing(
    open_bot, settings, chat, tiny_spec, tmp_path, monkeypatch
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        await open_cards(chat, 6)
        pool = [row["sample_id"] for row in await asyncio.to_thread(lambda: list(pool_of(run)))]
        rows = [
            {"sample_id": one, "voter": who, "answer": "no", "at": "2026-01-01T12:00:00+01:00"}
            for one in pool[:20] for who in ("ben", "eve")
        ]  # fmt: skip
        path = write(tmp_path / "votes.csv", rows)

        preview = await take_in(settings, path, is_preview=True)
        assert (preview.new, preview.samples) == (40, 20)
        first, again = await take_in(settings, path), await take_in(settings, path)
        assert (first.new, first.by_voter) == (40, {"import:ben": 20, "import:eve": 20})
        assert (again.new, again.known) == (0, 40)
        run = await vote_until_ended(chat, bot, run)

        plan = json.loads((settings.runs_dir / "r1/human/segment-1-1/plan.json").read_text())
        heard = {said["sample_id"] for said in plan["opinions"]["samples"]}
        assert set(pool[:20]) <= heard
        selection = json.loads((settings.runs_dir / "r1/human/selection.json").read_text())
        assert all(selection[one][1] == 0 for one in pool[:20])
        assert any(".q" in post.key for post in chat.posts.values())
        assert not any(".i" in post.key for post in chat.posts.values())  # never posted

    with pytest.raises(ExportError, match="r1 has finished; start another"):
        await take_in(settings, path)
    monkeypatch.setenv("JOULERY_DATA_DIR", str(settings.data_dir))
    done = await asyncio.to_thread(CliRunner().invoke, app, ["forget", "import:ben"])
    assert "they are forgotten" in done.stdout
    stored = Store.open(settings.database).votes
    voters = {e.voter for e in stored.events_on([b.ballot_id for b in stored.ballots(run_id="r1")])}
    assert "import:eve" in voters
    assert "import:ben" not in voters


async def votes_of(bot):
    """Once there is any."""
    store = bot.house.store.votes
    async with asyncio.timeout(20):
        while not store.current([b.ballot_id for b in store.ballots(run_id="r1")]):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_an_export_of_ours_comes_home_to_the_same_people(
    open_bot, settings, chat, tiny_spec, tmp_path
):
    async with open_bot() as bot:
        await bot.rounds.begin(tiny_spec(ask={"quorum": 2}), who="memory:ana")
        cards = await open_cards(chat, 6)
        for post in cards:
            if post.card.seeds:
                await chat.react("ana", post.ref, post.card.seeds[0])
        await votes_of(bot)
        await asyncio.to_thread(export, settings, "votes", None, "jsonl", tmp_path / "out")

        found = await take_in(settings, tmp_path / "out" / "votes.jsonl")

        assert found.new == 0
        assert found.known > 0


async def test_one_bad_row_keeps_all_of_them_out(open_bot, settings, chat, tiny_spec, tmp_path):
    async with open_bot() as bot:
        await bot.rounds.begin(tiny_spec(), who="memory:ana")
        await open_cards(chat, 6)
        rows = [
            {"sample_id": "pool-0", "voter": "ben", "answer": "no", "at": "2026-01-01T12:00:00Z"},
            {"sample_id": "pool-0", "voter": "ben", "answer": "perhaps", "at": "2026-01-01"},
        ]  # fmt: skip
        path = write(tmp_path / "votes.csv", rows)

        with pytest.raises(
            ExportError, match=r"(?s)1 row cannot be read.*line 3: answer 'perhaps'"
        ):
            await take_in(settings, path)

        rounds = bot.house.store.votes.rounds("r1")
        assert all(".q" in round_.round_id for round_ in rounds)


async def test_a_round_that_is_opened_while_votes_come_in_has_the_next_number(
    open_bot, settings, chat, tiny_spec, tmp_path, monkeypatch
):
    async with open_bot() as bot:
        books, booked = bot.house.store.runs.book_report, []

        def overtaken(segment, *rest, **asked):
            """The file is read after the round was numbered, before it is stored."""
            booked.append(asked["asked"])
            if len(booked) == 1:
                row = {
                    "sample_id": "pool-0",
                    "voter": "ben",
                    "answer": "no",
                    "at": "2026-01-01T12:00:00Z",
                }
                import_votes(settings, write(tmp_path / "votes.csv", [row]), None, is_preview=False)
            return books(segment, *rest, **asked)

        monkeypatch.setattr(bot.house.store.runs, "book_report", overtaken)
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        cards = await open_cards(chat, 6)
        store = bot.house.store.votes
        rounds = store.rounds("r1")
        asked = store.ballots(round_id="r1.human.q1")
        await bot.rounds.stop(run.run_id, "memory:ana")

        assert {r.round_id: r.n for r in rounds} == {"r1.human.i0": 0, "r1.human.q1": 1}
        assert len(asked) == len(cards) == 6
        assert len(store.current([b.ballot_id for b in store.ballots(round_id="r1.human.i0")])) == 1


async def test_votes_that_come_in_while_a_round_is_opened_have_the_next_number(
    open_bot, settings, chat, tiny_spec, tmp_path, monkeypatch
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        await open_cards(chat, 6)
        store, takes_in = bot.house.store.votes, VoteStore.take_in
        [first] = store.rounds("r1")
        other = first.model_copy(update={"round_id": "r1.human.q1", "n": 1})

        def overtaken(self, round_, *rest):
            """Another round is stored after this one was numbered."""
            if round_.n == 1:
                takes_in(store, other, (), (), ())
            takes_in(self, round_, *rest)

        monkeypatch.setattr(VoteStore, "take_in", overtaken)
        row = {"sample_id": "pool-0", "voter": "ben", "answer": "no", "at": "2026-01-01T12:00:00Z"}
        found = await take_in(settings, write(tmp_path / "votes.csv", [row]))
        rounds = store.rounds("r1")
        await bot.rounds.stop(run.run_id, "memory:ana")

        assert found.new == 1
        assert sorted((r.n, r.round_id) for r in rounds) == [
            (0, "r1.human.q0"), (1, "r1.human.q1"), (2, "r1.human.i2"),
        ]  # fmt: skip

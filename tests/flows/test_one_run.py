"""One run from its first card to its last word, with real training in real children."""

import asyncio
from sqlite3 import connect

import pytest
from sqlalchemy.exc import IntegrityError

from bot.conclusion import read_report
from storage.models import RoundState, RunState
from tests.flows.people import (
    asking,
    ended,
    head,
    open_cards,
    spelt,
    thread,
    vote_on_all,
    vote_until_ended,
)


async def test_people_vote_and_the_run_learns_from_it(open_bot, chat, tiny_spec):
    """Ask, listen, train, ask, listen, train: everything said, counted and metered."""
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        run = await vote_until_ended(chat, bot, run)
        store = bot.house.store

        assert run.state is RunState.FINISHED
        rounds = store.votes.rounds(run.run_id)
        assert [r.closed_by for r in rounds] == ["quorum", "quorum"]
        votes = store.votes.current([b.ballot_id for b in store.votes.ballots(run_id=run.run_id)])
        assert len(votes) >= 12
        said = "\n".join(thread(chat, head(chat, run).ref))
        assert "Round 1 closed (quorum reached)" in said
        assert "samples set aside" in said
        assert f"Run {run.run_id} is finished" in said
        card = head(chat, run).card
        assert card.is_closed
        assert "finished" in card.title
        assert all(p.card.is_closed for p in chat.posts.values() if p.card)


async def test_the_ledger_adds_up_and_every_phase_is_there(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana", arms=("human", "control"))
        run = await vote_until_ended(chat, bot, run)

        report = read_report(run)
        for arm in report["arms"].values():
            phases = arm["energy_j"]["phases"]
            assert sum(p["j"] for p in phases.values()) == pytest.approx(
                arm["energy_j"]["total"]["j"]
            )
            assert {"load", "score", "train", "evaluate"} <= phases.keys()
            assert set(arm["energy_j"]["total"]["sources"]) <= {"E-tdp", "E-const"}
            # where the dev set was served best; a fitted head may be best before the first step
            assert arm["final_metric"] in [point["metric"] for point in arm["history"]]
        assert "bot" in report["arms"]["human"]["energy_j"]["phases"]
        assert report["votes"] >= 12


async def test_without_votes_the_deadline_passes_and_training_goes_on_unchanged(
    open_bot, chat, tiny_spec
):
    spec = tiny_spec(ask={"deadline": 1})
    async with open_bot() as bot:
        run = await ended(bot, await bot.rounds.begin(spec, who="memory:ana"))

        assert run.state is RunState.FINISHED
        rounds = bot.house.store.votes.rounds(run.run_id)
        assert [r.closed_by for r in rounds] == ["deadline", "deadline"]
        said = "\n".join(thread(chat, head(chat, run).ref))
        assert "no votes, so nothing changes" in said
        segments = bot.house.store.runs.segments(f"{run.run_id}.human")
        assert (
            segments[-1].report["selection"]["dropped"]
            == segments[0].report["selection"]["dropped"]
        )


async def test_a_run_with_pauses_and_no_votes_ends_like_one_without(open_bot, chat, tiny_spec):
    """The same weights, bit for bit: the pause itself changes nothing."""
    spec = tiny_spec(ask={"deadline": 0.5})
    async with open_bot() as bot:
        run = await bot.rounds.begin(spec, who="memory:ana", arms=("human", "control"))
        await ended(bot, run)
        runs = bot.house.store.runs

        paused = runs.checkpoints(f"{run.run_id}.human")[-1]
        straight = runs.checkpoints(f"{run.run_id}.control")[-1]
        assert paused.samples == straight.samples
        assert paused.weights_sha256 == straight.weights_sha256


async def test_votes_taken_back_before_the_close_do_not_count(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"quorum": 2}), who="memory:ana")
        cards = await open_cards(chat, 6)
        await vote_on_all(chat, "ana", "up")
        await chat.unreact("ana", cards[0].ref, spelt(cards[0], "up"))
        await chat.react("ana", cards[1].ref, "down")
        await chat.unreact("ana", cards[1].ref, "down")
        await bot.house.office.drained(5)
        await vote_on_all(chat, "bo", "down")
        await vote_on_all(chat, "cy", "down")
        store = bot.house.store
        await chat.until(lambda: bool(store.votes.rounds(run.run_id)[0].outcome))

        votes = store.votes.current([b.ballot_id for b in store.votes.ballots(run_id=run.run_id)])
        posting = {store.mail.posting_at(str(c.ref)).ballot_id: i for i, c in enumerate(cards)}
        ana = {posting[v.ballot_id]: v.answer for v in votes if v.person == "memory:ana"}
        assert 0 not in ana
        assert ana[1] in ("yes", "#1")  # the older mark still stood, so it counts again
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)


async def test_votes_cast_while_the_line_was_down_are_found_at_the_close(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"deadline": 5}), who="memory:ana")
        cards = await open_cards(chat, 6)
        await chat.go_offline() if hasattr(chat.go_offline(), "__await__") else None
        await chat.react("ana", cards[0].ref, spelt(cards[0], "up"))
        store = bot.house.store
        await chat.until(lambda: bool(store.votes.rounds(run.run_id)[0].outcome))

        votes = store.votes.current([b.ballot_id for b in store.votes.ballots(run_id=run.run_id)])
        assert [v.person for v in votes] == ["memory:ana"]
        assert votes[0].answer in ("yes", "#1")
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)


async def test_people_are_asked_before_any_arm_that_only_compares_trains(open_bot, chat, tiny_spec):
    """However the arms' tasks are scheduled: nobody waits for cards while a control trains."""
    async with open_bot() as bot:
        arms = ("human", "control", "no_votes")
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana", arms=arms)
        run = await vote_until_ended(chat, bot, run)
        runs = bot.house.store.runs

        first = runs.segments(f"{run.run_id}.human")[0]
        assert run.state is RunState.FINISHED
        for other in ("control", "no_votes"):
            [segment] = runs.segments(f"{run.run_id}.{other}")
            assert segment.report["started_at"] >= first.report["ended_at"]


async def test_waiting_for_votes_is_booked_as_waiting_on_the_people_s_arm(
    open_bot, chat, tiny_spec
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(), who="memory:ana")
        await open_cards(chat, 6)
        await asyncio.sleep(3)
        run = await vote_until_ended(chat, bot, run)

        parts = bot.house.store.ledger.sums(run.run_id)
        waited_s = sum(p.duration_s for p in parts if p.phase == "wait" and p.device == "ram")
        assert {p.arm for p in parts if p.phase == "wait"} == {"human"}
        assert waited_s >= 2
        assert read_report(run)["arms"]["human"]["energy_j"]["phases"]["wait"]["j"] > 0


async def test_a_pause_gives_open_questions_their_time_back(open_bot, chat, tiny_spec):
    """The deadline passes while the run is held: nothing is closed, and nothing is lost."""
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"deadline": 4, "quorum": 2}), who="memory:ana")
        await open_cards(chat, 6)
        await bot.rounds.pause(run.run_id, "memory:ana")
        await asyncio.sleep(5)
        [held] = bot.house.store.votes.rounds(run.run_id)
        await bot.rounds.resume(run.run_id, "memory:ana")
        [again] = bot.house.store.votes.rounds(run.run_id)
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)

        assert held.state is RoundState.OPEN
        assert (again.closes_at - held.closes_at).total_seconds() >= 4
        said = "\n".join(thread(chat, head(chat, run).ref))
        assert "has the time back that the run was held" in said


async def test_a_resume_that_dies_half_way_gives_no_time_twice(open_bot, chat, tiny_spec, settings):
    """The database takes the new deadline, but not the move: then neither stands, nor is it said."""
    async with open_bot() as bot:
        run = await bot.rounds.begin(
            tiny_spec(ask={"deadline": 600, "quorum": 2}), who="memory:ana"
        )
        await open_cards(chat, 6)
        await bot.rounds.pause(run.run_id, "memory:ana")
        [held] = bot.house.store.votes.rounds(run.run_id)
        with connect(settings.data_dir / "joulery.db") as database:
            database.execute(
                "CREATE TRIGGER dies BEFORE INSERT ON run_transition "
                "BEGIN SELECT RAISE(ABORT, 'killed'); END"
            )
        with pytest.raises(IntegrityError):
            await bot.rounds.resume(run.run_id, "memory:ana")
        [half_way] = bot.house.store.votes.rounds(run.run_id)
        with connect(settings.data_dir / "joulery.db") as database:
            database.execute("DROP TRIGGER dies")
        await bot.rounds.resume(run.run_id, "memory:ana")
        paused, resumed = bot.house.store.runs.transitions(run.run_id)[-2:]
        [again] = bot.house.store.votes.rounds(run.run_id)
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)

        assert half_way == held
        assert again.closes_at - held.closes_at <= resumed.at - paused.at
        said = "\n".join(thread(chat, head(chat, run).ref))
        assert said.count("has the time back that the run was held") == 1


async def test_an_answer_after_the_close_is_said_not_to_count(open_bot, chat, tiny_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(tiny_spec(ask={"deadline": 1}), who="memory:ana")
        cards = await open_cards(chat, 6)
        await chat.until(lambda: cards[0].ref.message and not asking(chat))
        await chat.reply("bo", cards[0].ref, "can't tell")
        await chat.until(lambda: bool(chat.whispers))
        await bot.rounds.stop(run.run_id, "memory:ana")
        await ended(bot, run)

        assert "does not count any more" in chat.whispers[0].text


@pytest.mark.parametrize(
    ("words", "every", "arms"),
    [
        ("start tiny", 0, ["human"]),
        ("start tiny --control", 0, ["human", "control"]),
        ("start tiny", 1, ["human", "control"]),
    ],
    ids=["unasked", "asked for", "one run in one"],
)
async def test_a_plain_start_trains_a_control_only_when_asked(
    open_bot, chat, tiny_spec, settings, words, every, arms
):
    settings.specs_dir.mkdir()
    spec = tiny_spec(ask={"at": []}).model_dump_json()  # JSON is YAML, too
    (settings.specs_dir / "tiny.yaml").write_text(spec, encoding="utf-8")
    async with open_bot(control_every=every) as bot:
        await chat.command("ana", words, "joulery")
        await chat.until(lambda: bool(bot.house.store.runs.all()))
        run = await ended(bot, bot.house.store.runs.all()[0])

        assert run.state is RunState.FINISHED
        assert [arm.name for arm in bot.house.store.runs.arms(run.run_id)] == arms
        said = "\n".join(thread(chat, head(chat, run).ref))
        assert ("Cost of proof" in said) is ("control" in arms)

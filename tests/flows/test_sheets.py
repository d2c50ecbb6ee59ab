"""Sheets of small pictures through a whole run: asked, answered by number, counted, learnt from."""

import asyncio
import csv
import random

import numpy as np
import pytest
from PIL import Image

from bot.conclusion import read_report
from storage.models import RoundState, RunState
from tests.flows.people import asking, ended, head, open_cards, thread
from trainer.segment import SegmentReport

COLOURS = {f"colour {n:02}": (85 * (n % 4), 127 * (n // 4 % 3), 255 * (n % 2)) for n in range(12)}
"""More labels than can be chosen from on a card."""


@pytest.fixture(scope="module")
def tiny_image_model(tmp_path_factory):
    """A random vision transformer of two layers."""
    import torch
    import transformers as hf
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    folder = tmp_path_factory.mktemp("tiny-image-model")
    torch.manual_seed(0)
    config = hf.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
        image_size=32, patch_size=8,
    )  # fmt: skip
    hf.AutoModel.from_config(config).save_pretrained(folder)
    ViTImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


@pytest.fixture
def pictures_spec(tiny_spec, tiny_image_model, tmp_path):
    """Like `tiny_spec`, of 120 small noisy pictures, a quarter of them filed under a wrong label."""
    rng, noise = random.Random(1), np.random.default_rng(1)
    with (tmp_path / "pictures.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "label", "truth"])
        for n in range(120):
            truth = list(COLOURS)[n % 12]
            label = rng.choice(list(COLOURS)) if rng.random() < 0.25 else truth
            pixels = np.array(COLOURS[truth]) + noise.normal(0, 20, (24, 24, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{n}.png")
            rows.writerow([f"{n}.png", label, truth])

    def make(**ask):
        return tiny_spec(
            task="image-classification", model=str(tiny_image_model),
            data={"pool": f"csv:{tmp_path / 'pictures.csv'}"},
            ask={"cards": 24, "feature_cards": 0} | ask,
        )  # fmt: skip

    return make


class Ana:
    """Answers whatever is asked, by number on sheets; gold she has right."""

    def __init__(self, chat, bot, who="ana"):
        self.chat, self.store, self.who = chat, bot.house.store.votes, who
        self.mail = bot.house.store.mail
        self.answered = set()

    def ballot(self, post):
        posting = self.mail.posting_at(str(post.ref))
        return self.store.ballot(posting.ballot_id)[0] if posting else None

    def misfits(self, ballot):
        """Those whose sample's number is odd."""
        return [s.key for s in ballot.subjects if not self.fits(s)]

    def fits(self, subject):
        if subject.role == "gold":
            return subject.truth > 0.5
        return int(subject.target.rpartition("-")[2]) % 2 == 0

    async def answer(self, post, ballot):
        if not ballot.is_sheet:
            [subject] = ballot.subjects
            await self.chat.react(self.who, post.ref, "up" if self.fits(subject) else "down")
            return
        numbers = [post.card.seeds[int(key) - 1] for key in self.misfits(ballot)]
        for emoji in random.Random(ballot.ballot_id).sample([*numbers, "up"], len(numbers) + 1):
            await self.chat.react(self.who, post.ref, emoji)

    async def until_ended(self, bot, run):
        async def keep_voting():
            while True:
                for post in asking(self.chat):
                    ballot = self.ballot(post)
                    if ballot is not None and ballot.ballot_id not in self.answered:
                        await self.answer(post, ballot)
                        self.answered.add(ballot.ballot_id)
                await asyncio.sleep(0.05)

        voting = asyncio.create_task(keep_voting())
        try:
            return await ended(bot, run)
        finally:
            voting.cancel()


async def test_a_run_asks_about_several_pictures_at_once_and_learns_from_each(
    open_bot, chat, pictures_spec
):
    async with open_bot() as bot:
        spec = pictures_spec(audit=12, repeats=2)
        run = await bot.rounds.begin(spec, who="memory:ana")
        ana = Ana(chat, bot)
        run = await ana.until_ended(bot, run)
        store = bot.house.store
        ballots = store.votes.ballots(run_id=run.run_id)
        sheets = [ballot for ballot in ballots if ballot.is_sheet]

        assert run.state is RunState.FINISHED
        assert [r.closed_by for r in store.votes.rounds(run.run_id)] == ["quorum"] * 3
        assert len(sheets) >= 6
        assert all(len({s.label for s in ballot.subjects}) == 1 for ballot in sheets)
        asked = [s for b in ballots for s in b.subjects]
        assert [s.role for s in asked].count("audit") >= 10
        assert sum(s.role != "repeat" for s in asked) == 12 + 12 + 24

        said = {
            (v.ballot_id, v.subject): v.answer
            for v in store.votes.current([b.ballot_id for b in ballots])
        }
        assert said == {
            (b.ballot_id, s.key): "yes" if ana.fits(s) else "no"
            for b in ballots
            for s in b.subjects
        }
        for posting_ in (p for b in sheets for p in store.mail.postings(b.ballot_id)):
            [post] = [p for p in chat.posts.values() if str(p.ref) == posting_.ref]
            [picture] = post.pictures
            with Image.open(picture.path) as drawn:
                assert drawn.width == 1080
            assert post.card.is_closed
            assert post.card.tally
        [*_, last] = store.runs.segments(f"{run.run_id}.human")
        learnt = SegmentReport.model_validate(last.report).selection
        assert learnt.votes >= 12 + 12 + 24 - sum(s.role == "gold" for s in asked)
        assert "pictures stand on" in "\n".join(thread(chat, head(chat, run).ref))
        assert read_report(run)["votes"] == len(said)


async def test_a_round_waits_until_every_picture_has_its_answer(open_bot, chat, pictures_spec):
    async with open_bot() as bot:
        run = await bot.rounds.begin(pictures_spec(at=[0], cards=24), who="memory:ana")
        posts = await open_cards(chat, 2)
        ana, store = Ana(chat, bot), bot.house.store
        await bot.house.office.drained(20)
        posts = asking(chat)
        pairs = [(post, ana.ballot(post)) for post in posts]
        sheet, asked = next((p, b) for p, b in pairs if b.is_sheet)
        for post, ballot in pairs:
            if post is not sheet:
                await ana.answer(post, ballot)
        await chat.react("ana", sheet.ref, "one")
        await bot.house.office.settled()
        [round_] = store.votes.rounds(run.run_id)

        assert round_.state is RoundState.OPEN
        assert store.votes.answered(round_.round_id)[asked.ballot_id] == (0, 1)

        await chat.reply("ana", sheet.ref, "all fit")
        async with asyncio.timeout(30):
            await chat.until(lambda: not asking(chat))
        [round_] = store.votes.rounds(run.run_id)
        assert round_.closed_by == "quorum"
        await ended(bot, run)


async def test_blind_sheets_are_answered_with_buttons_and_nothing_is_told_before_the_close(
    open_bot, chat, pictures_spec
):
    async with open_bot() as bot:
        run = await bot.rounds.begin(pictures_spec(at=[0], style="buttons"), who="memory:ana")
        ana = Ana(chat, bot)
        await open_cards(chat, 2)
        await bot.house.office.drained(20)
        tallies = set()
        for post in asking(chat):
            ballot = ana.ballot(post)
            for number in ana.misfits(ballot) if ballot.is_sheet else ():
                await chat.press("ana", post.ref, f"{number}:no")
            fits = ballot.is_sheet or ana.fits(ballot.subjects[0])
            tallies.add(post.card.tally)
            await chat.press("ana", post.ref, "yes" if fits else "no")
        await ended(bot, run)
        ballots = bot.house.store.votes.ballots(run_id=run.run_id)
        votes = bot.house.store.votes.current([b.ballot_id for b in ballots])

        assert tallies == {""}
        assert {(v.ballot_id, v.subject): v.answer for v in votes} == {
            (b.ballot_id, s.key): "yes" if ana.fits(s) else "no"
            for b in ballots
            for s in b.subjects
        }

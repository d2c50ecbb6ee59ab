"""A platform's pace: posts and edits have one each; an answer waits for no edit, nor for who said what."""

import asyncio
from itertools import pairwise

import pytest

from adapters.base import Card
from adapters.memory import MemoryChat
from bot import outgoing
from bot.post import NotYet, PostOffice

INTERVAL_S = 1.0


class Timed(MemoryChat):
    """Notes when what was posted and edited."""

    def __init__(self):
        super().__init__()
        self.caps = self.caps.model_copy(update={"min_interval_s": INTERVAL_S})
        self.log = []

    async def post_card(self, channel, card, key):
        self.log.append(("post", key, asyncio.get_running_loop().time()))
        return await super().post_card(channel, card, key)

    async def say(self, where, text, key, *, pictures=()):
        self.log.append(("post", key, asyncio.get_running_loop().time()))
        return await super().say(where, text, key, pictures=pictures)

    async def edit_text(self, ref, text):
        self.log.append(("edit", text, asyncio.get_running_loop().time()))
        await super().edit_text(ref, text)

    async def edit_card(self, ref, card):
        self.log.append(("edit", card.text, asyncio.get_running_loop().time()))
        await super().edit_card(ref, card)


@pytest.fixture
async def office(store):
    chat = Timed()
    office = PostOffice({"memory": chat}, store, chat._now)
    await office.connect()

    async def ignore(event, received_at):
        pass

    running = asyncio.create_task(office.run(ignore))
    yield office, chat
    running.cancel()


def times(chat, what):
    return [at for kind, _, at in chat.log if kind == what]


def edit(target, text):
    return outgoing.edit(target, "memory", "c", Card(text=text))


async def test_posts_keep_their_pace_and_so_do_edits(office):
    office, chat = office
    posts = [outgoing.post(f"card:{n}", "memory", "c", Card(text="?")) for n in range(3)]

    await office.queue(*posts, *(edit(f"card:{n}", "!") for n in range(3)))
    assert await office.drained(10)

    for what in ("post", "edit"):
        gaps = [after - before for before, after in pairwise(times(chat, what))]
        assert len(gaps) == 2
        assert min(gaps) > 0.95 * INTERVAL_S


async def test_an_answer_waits_for_no_edit(office):
    office, chat = office
    await office.queue(outgoing.post("card:1", "memory", "c", Card(text="?")))
    await office.drained(10)
    await asyncio.sleep(INTERVAL_S)
    await office.queue(edit("card:1", "a"))
    await office.drained(10)

    await office.queue(edit("card:1", "b"), outgoing.say("answer:1", "memory", "c", "so it is"))
    await chat.until(lambda: bool(chat.said()))

    answered = next(at for _, key, at in chat.log if key == "answer:1")
    assert answered - times(chat, "edit")[0] < INTERVAL_S / 2
    assert await office.drained(10)
    assert times(chat, "edit")[1] > answered


async def test_whoever_gives_commands_one_after_the_other_is_not_held_up_by_lines_about_them(
    office,
):
    office, chat = office
    loop, waits_s = asyncio.get_running_loop(), []
    for n in range(1, 5):
        said = outgoing.say("heard:1", "memory", "c", "Ana said: status")
        if n > 1:
            said = outgoing.reword("heard:1", "memory", "c", f"Ana said: status ({n} times)")
        asked = loop.time()
        await office.queue(said, outgoing.say(f"answer:{n}", "memory", "c", "so it is"))
        await chat.until(lambda n=n: chat.said().count("so it is") == n)
        waits_s.append(loop.time() - asked)
        await asyncio.sleep(1.2 * INTERVAL_S)
    answered = loop.time()
    assert await office.drained(10)

    assert max(waits_s) < INTERVAL_S / 2
    *answers, (_, last, at) = chat.log
    assert [key for _, key, _ in answers] == [f"answer:{n}" for n in range(1, 5)]
    assert last == "heard:1"
    assert at > answered
    assert chat.said()[-1] == "Ana said: status (4 times)"


async def test_what_was_received_is_waited_for_as_long_as_it_is_dealt_with(store):
    chat, heard = MemoryChat(), []
    office = PostOffice({"memory": chat}, store, chat._now)
    await office.connect()
    for n in range(4):
        await chat.command("ana", f"status {n}", "c")

    async def slowly(event, received_at):
        await asyncio.sleep(0.2)
        if event.words == "status 3":
            raise NotYet
        heard.append(event.words)

    running = asyncio.create_task(office.run(slowly))
    is_all = await office.settled(0.5)
    running.cancel()

    assert heard == ["status 0", "status 1", "status 2"]
    assert not is_all  # nor for ever

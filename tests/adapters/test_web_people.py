"""The ways into the web chat: links, names, sessions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.base import ChatRefused, ChatSetupError
from adapters.web.client import Guest, GuestRefused
from adapters.web.platform import WebChat
from tests.adapters.cards import QUESTION
from tests.adapters.drivers import CHANNEL, Ears
from tests.adapters.raw_http import ask


def stored_bytes(folder: Path) -> bytes:
    """All the web chat has on disk."""
    return b"".join(path.read_bytes() for path in folder.glob("chat.sqlite*"))


async def test_a_personal_link_lets_one_browser_in_once(web: WebChat) -> None:
    link = web.invite("Ana")

    async with Guest.enter(link) as ana:
        assert (ana.id, ana.name) == ("web:ana", "Ana")
        assert await ana.messages() == []
    with pytest.raises(GuestRefused, match="used or has expired"):
        async with Guest.enter(link):
            pass


async def test_a_personal_link_expires(tmp_path: Path, ears: Ears) -> None:
    clock = [datetime(2026, 1, 1, tzinfo=UTC)]
    chat = WebChat(tmp_path / "chat.sqlite", now=lambda: clock[0])
    await chat.connect(ears)
    link = chat.invite("Ana", timedelta(hours=1))
    clock[0] += timedelta(hours=2)

    with pytest.raises(GuestRefused, match="expired"):
        async with Guest.enter(link):
            pass
    await chat.close()


async def test_looking_at_a_link_does_not_use_it_up(web: WebChat) -> None:
    """Chat programs and mail scanners open links to preview them."""
    link = web.invite("Ana")

    page = await ask(web.url, "GET", link.removeprefix(web.url))

    assert "Join as Ana" in page.body
    async with Guest.enter(link) as ana:
        assert ana.name == "Ana"


async def test_the_same_invited_name_is_the_same_person(web: WebChat) -> None:
    async with Guest.enter(web.invite("Ana")) as desk, Guest.enter(web.invite("Ana")) as phone:
        assert desk.id == phone.id


async def test_invitations_work_from_another_process(web: WebChat, tmp_path: Path) -> None:
    port = int(web.url.rpartition(":")[2])
    other = WebChat(tmp_path / "chat.sqlite", port=port)
    link = other.invite("Bo")
    await other.close()

    async with Guest.enter(link) as bo:
        assert bo.id == "web:bo"


async def test_only_hashes_of_the_secrets_are_stored(web: WebChat, tmp_path: Path) -> None:
    link = web.invite("Ana")
    async with Guest.enter(link) as ana:
        [cookie] = list(ana.http.cookie_jar)

        stored = stored_bytes(tmp_path)
        assert cookie.value.encode() not in stored
        assert link.partition("token=")[2].encode() not in stored


async def test_without_an_open_link_there_is_no_entry_url(web: WebChat) -> None:
    with pytest.raises(ChatSetupError, match="invite"):
        web.entry_url()


async def test_the_open_link_lets_everybody_in_under_a_name_of_their_own(demo: WebChat) -> None:
    link = demo.entry_url()

    async with Guest.enter(link, "Ana") as first, Guest.enter(link, " ana ") as second:
        assert (first.id, first.name) == ("web:ana", "Ana")
        assert (second.id, second.name) == ("web:ana-2", "ana 2")


@pytest.mark.parametrize("name", ["", "   ", "!?", "Joulery", "\u202e", "x" * 41])
async def test_a_name_that_will_not_do_is_refused_in_words(demo: WebChat, name: str) -> None:
    with pytest.raises(GuestRefused, match=r"422: .*\.$"):
        async with Guest.enter(demo.entry_url(), name):
            pass
    with pytest.raises(ChatRefused):
        demo.invite(name)


async def test_nobody_poses_as_an_invited_person(demo: WebChat) -> None:
    lookalike = "\uff21na\u200b"  # full-width A, zero-width space
    async with (
        Guest.enter(demo.invite("Ana")) as invited,
        Guest.enter(demo.entry_url(), lookalike) as other,
    ):
        assert other.id != invited.id


async def test_a_guessed_link_lets_nobody_in(demo: WebChat) -> None:
    with pytest.raises(GuestRefused, match="410"):
        async with Guest.enter(f"{demo.url}/enter?token=guess", "Eve"):
            pass


async def test_sessions_survive_a_restart_of_the_bot(web: WebChat, tmp_path: Path) -> None:
    port = int(web.url.rpartition(":")[2])
    async with Guest.enter(web.invite("Ana")) as ana:
        await web.close()
        again = WebChat(tmp_path / "chat.sqlite", port=port, channel=CHANNEL)
        await again.connect(Ears())

        said = await ana.say("still here")

        assert (await ana.messages())[-1]["id"] == said["id"]
        await again.close()


async def test_demo_sessions_end_with_the_demo(demo: WebChat, tmp_path: Path, ears: Ears) -> None:
    port = int(demo.url.rpartition(":")[2])
    async with Guest.enter(demo.entry_url(), "Ana") as ana:
        await demo.close()
        strict = WebChat(tmp_path / "chat.sqlite", port=port, channel=CHANNEL)
        await strict.connect(ears)

        with pytest.raises(GuestRefused, match="401"):
            await ana.messages()
        await strict.close()


async def test_who_is_forgotten_is_in_no_byte_logged_out_and_what_they_did_stands(
    web: WebChat, tmp_path: Path
) -> None:
    """Ana's like-named friend and the samples on cards are as they were."""
    card = QUESTION.model_copy(update={"seeds": ("up",), "buttons": ()})
    ref = await web.post_card(CHANNEL, card, "card")
    async with (
        Guest.enter(web.invite("Zoequx")) as zoe,
        Guest.enter(web.invite("Zoequx Two")) as friend,
    ):
        [post] = await zoe.messages()
        await zoe.react(post["id"], "up")
        await friend.react(post["id"], "up")
        await web.say(ref, "Run r1 started by web:zoequx, called Zoequx.", "said")
        await web.whisper("web:zoequx", ref, "Zoequx, this is for you.", None)
        before = stored_bytes(tmp_path)

        await web.forget("web:zoequx", "gone-1")
        await web.forget("web:nobody", "gone-2")

        with pytest.raises(GuestRefused):
            await zoe.messages()
        said = str(await friend.messages())
    held = stored_bytes(tmp_path).lower()
    assert b"zoequx" in before.lower()
    assert b"zoequx" not in held.replace(b"zoequx-two", b"").replace(b"zoequx two", b"")
    assert "Run r1 started by web:gone-1, called somebody." in said
    users = (await web.snapshot(ref)).reactions
    assert {user for found in users.values() for user in found} == {"web:gone-1", "web:zoequx-two"}

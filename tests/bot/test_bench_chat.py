"""The chat benchmark's oracle knows what stands, and its people do what it is told."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.base import Ref
from bot.bench.chat.crowd import Crowd, ways_to_say
from bot.bench.chat.discord import DiscordVenue
from bot.bench.chat.script import Act, Difference, Oracle, acts, compare, percentile
from bot.bench.chat.slack import SlackVenue
from tests.bot.cards import sample_ballot, which_ballot
from tests.fake_discord.world import BOT_USER, Message
from tests.fake_slack import server as fake

CARDS = {"c1": ("yes", "no"), "c2": ("#1", "#2", "none")}


def test_the_last_answer_counts_whichever_way_it_came():
    oracle = Oracle()
    for act in (Act("c1", "button", "yes"), Act("c1", "reaction", "no")):
        oracle.did("ana", act)
    oracle.did("bo", Act("c1", "reply", "yes"))

    assert oracle.votes() == {("c1", "ana"): "no", ("c1", "bo"): "yes"}


def test_what_is_taken_back_leaves_what_was_given_another_way():
    oracle = Oracle()
    for act in (Act("c1", "button", "yes"), Act("c1", "reaction", "no")):
        oracle.did("ana", act)
    oracle.did("ana", Act("c1", "reaction", None))
    oracle.did("bo", Act("c1", "reply", "yes"))
    oracle.did("bo", Act("c1", "reply", None))

    assert oracle.votes() == {("c1", "ana"): "yes"}


def test_every_kind_of_difference_is_seen():
    wanted = {("c1", "ana"): "yes", ("c1", "bo"): "no", ("c2", "ana"): "#1"}
    found = {("c1", "ana"): "yes", ("c1", "bo"): "yes", ("c2", "cy"): "#1"}

    assert compare(wanted, found) == Difference(lost=1, invented=1, other=1)
    assert compare(wanted, wanted).total == 0


@given(st.integers(0, 1000))
def test_everybody_answers_every_card_and_takes_back_only_what_they_gave(seed):
    given_: dict[tuple[str, str], str] = {}
    for act in acts(CARDS, random.Random(seed)):
        if act.choice is None:
            assert (act.card, act.way) in given_
        else:
            assert act.choice in CARDS[act.card]
            given_[act.card, act.way] = act.choice

    assert {card for card, _ in given_} == set(CARDS)


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_percentile_is_the_nearest_rank(share, value):
    assert percentile(list(range(100, 0, -1)), share) == value


@pytest.mark.parametrize("venue", [SlackVenue, DiscordVenue])
def test_choices_are_those_that_can_be_tapped_and_said(venue):
    assert set(ways_to_say(sample_ballot(), venue())) == {"yes", "no"}
    assert "unsure" not in ways_to_say(which_ballot(), venue())
    assert "none" in ways_to_say(which_ballot(), venue())


async def lived(venue, ref) -> Crowd:
    """A crowd that did all it wanted but press, on one card."""
    crowd = Crowd(venue, {"c1": (ref, sample_ballot())}, seed=3)
    await crowd.come_by(["q0", "q1", "q2"])
    assert len(crowd.oracle.votes()) == 3
    for who, plan in crowd.plans([f"p{n}" for n in range(40)]).items():
        await crowd.live(who, [act for act in plan if act.way != "button"])
    return crowd


async def test_what_the_people_leave_in_slack_is_what_the_oracle_says():
    """Read off the fake itself, where nobody listens: reactions and replies stand nevertheless."""
    venue = SlackVenue()
    slack = venue.slack
    async with venue.open():
        slack.methods.do_chat_postMessage({"channel": fake.CHANNEL, "text": "card"})
        [card] = slack.workspace.messages.values()
        crowd = await lived(venue, Ref(platform="slack", channel=card.channel, message=card.ts))

        standing = {}
        for name, users in card.reactions.items():
            answer = "yes" if name.startswith("+1") else "no"
            standing |= {("c1", f"slack:{user}"): answer for user in users}
        replies = [m for m in slack.workspace.messages.values() if m.thread_ts == card.ts]
        standing |= {("c1", f"slack:{m.user}"): m.text for m in replies}
        assert standing == crowd.oracle.votes()
        assert len(standing) > 20


async def test_what_the_people_leave_in_discord_is_what_the_oracle_says():
    venue = DiscordVenue()
    world = venue.discord.world
    async with venue.open():
        card = Message("2000", world.snowflake(), BOT_USER, "card")
        world.messages["2000", card.id] = card
        crowd = await lived(venue, Ref(platform="discord", channel="2000", message=card.id))

        standing = {}
        for emoji, users in card.reactions.items():
            answer = "yes" if emoji.startswith("👍") else "no"
            standing |= {("c1", f"discord:{user}"): answer for user in users}
        replies = world.in_channel(card.id)
        standing |= {("c1", f"discord:{m.author}"): m.content for m in replies}
        assert standing == crowd.oracle.votes()
        assert len(standing) > 20

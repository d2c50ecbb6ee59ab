"""Accounts that were joined are one person, whose last vote counts."""

from storage.models import Member
from tests.storage.records import ask, cast

SLACK, DISCORD, WEB, BO = "slack:UANA", "discord:5000", "web:ana", "discord:5001"


def current(store, ballot):
    return [(v.person, v.voter, v.value) for v in store.votes.current([ballot.ballot_id])]


def test_joined_accounts_have_one_vote_the_last_one(store):
    (ballot,) = ask(store)
    store.votes.add(
        [cast(ballot, SLACK, 1.0, 1), cast(ballot, DISCORD, -1.0, 2), cast(ballot, BO, 1.0, 1)]
    )
    assert store.votes.answered(ballot.round_id)[ballot.ballot_id][0] == 3

    store.votes.join(SLACK, DISCORD)

    assert sorted(current(store, ballot)) == [(BO, BO, 1.0), (SLACK, DISCORD, -1.0)]
    assert store.votes.answered(ballot.round_id)[ballot.ballot_id][0] == 2


def test_whoever_was_joined_before_comes_along_and_again_changes_nothing(store):
    store.votes.met(Member(member_id=SLACK, person_id=SLACK, name="Ana"))
    store.votes.join(DISCORD, WEB)
    store.votes.join(SLACK, WEB)
    store.votes.join(WEB, SLACK)
    store.votes.met(Member(member_id=WEB, person_id=WEB, name="Ana at home"))

    people = {m.member_id: (m.person_id, m.name) for m in store.votes.members().values()}
    assert people == {
        SLACK: (SLACK, "Ana"),
        DISCORD: (SLACK, ""),
        WEB: (SLACK, "Ana at home"),
    }

"""Several pictures on one card: which ones, how it looks, every way to answer."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from adapters import base
from bot import ask, cards, sheets
from bot.grammar import read_reply
from bot.together import SMALL, together
from bot.votes import CONFLICT, hear, reconcile
from bot.wording import FITS, NUMBERS
from storage.models import OutboxKind, SampleView, SheetView, VoteOp
from tests.bot.cards import REF, T0, at, reacted, replied, sample_ballot, took_back
from tests.bot.test_cards import ARM, RUN
from trainer.kinds import KINDS
from trainer.segment import Candidate, SegmentReport
from trainer.spec import RunSpec

PICTURES = KINDS["image-classification"]
LABELS = tuple(f"class {n:02}" for n in range(12))


def spec(style="reactions", **ask_for):
    return RunSpec(
        name="t", task="image-classification", model="toy", data={"pool": "csv:x"},
        ask={"style": style, **ask_for},
    )  # fmt: skip


def candidate(name, label="cat", side=32, role="ask", options=LABELS, **more):
    view = SampleView(sample_id=name, image_path=f"{name}.png", image_side=side, label=label)
    return Candidate(view=view, role=role, options=options, **more)


def some(n, label="cat", **more):
    return [candidate(f"{label}-{i}", label, **more) for i in range(n)]


def names(cards):
    return [sorted(c.view.sample_id for c in card) for card in cards]


def grouped(candidates, kind=PICTURES):
    return names(together(candidates, kind, "r1.human.q0"))


def asked(candidates, style="reactions", run=RUN, repeats=0, **more):
    report = SegmentReport(
        run_id="r1", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        labels=LABELS, candidates=candidates, started_at=T0, ended_at=T0,
    )  # fmt: skip
    how = {"number": 0, "now": T0, "channels": {"memory": "c"}} | more
    return ask.questions(run, ARM, spec(style, repeats=repeats), report, **how)


def sheet(n=9, style="reactions", **more):
    [ballot] = asked(some(n, **more), style).ballots
    return ballot


# --- what stands together -----------------------------------------------------------------------


def test_small_pictures_of_one_label_stand_on_one_card():
    cat, dog = some(2), some(3, "dog")

    assert grouped([cat[0], dog[0], cat[1], *dog[1:], candidate("cow-0", "cow")]) == [
        ["cat-0", "cat-1"],
        ["dog-0", "dog-1", "dog-2"],
        ["cow-0"],
    ]


@pytest.mark.parametrize(
    ("n", "sizes"), [(1, [1]), (10, [10]), (11, [5, 6]), (20, [10, 10]), (21, [7, 7, 7])]
)
def test_a_sheet_has_no_more_pictures_than_there_are_numbers_to_tap(n, sizes):
    assert [len(card) for card in together(some(n), PICTURES, "lot")] == sizes


@pytest.mark.parametrize("side", [0, SMALL + 1, 4000])
def test_large_pictures_stand_alone(side):
    assert grouped(some(2, side=side)) == [["cat-0"], ["cat-1"]]
    assert grouped(some(2, side=SMALL)) == [["cat-0", "cat-1"]]


def test_pictures_stand_alone_where_people_choose_among_labels():
    assert grouped(some(2, options=LABELS[:10])) == [["cat-0"], ["cat-1"]]
    assert grouped(some(2, options=())) == [["cat-0", "cat-1"]]


@pytest.mark.parametrize("task", ["causal-lm", "preference"])
def test_other_kinds_have_no_sheets(task):
    assert grouped(some(2), KINDS[task]) == [["cat-0"], ["cat-1"]]


def test_where_gold_stands_is_drawn_by_lot():
    """The last of the round is gold; over 200 rounds it has every number about as often."""
    found = [
        [c.role for c in card].index("gold") + 1
        for n in range(200)
        for card in together([*some(4), candidate("known", role="gold")], PICTURES, f"q{n}")
    ]

    assert {found.count(number) for number in range(1, 6)} <= set(range(25, 56))


def test_a_sheet_asks_of_every_picture_under_its_number_and_role():
    ballot, *_ = asked([*some(2), candidate("known", role="gold", truth=0.0)]).ballots

    assert ballot.is_sheet
    assert (ballot.ask, ballot.choices, ballot.labels) == ("fits", FITS, LABELS)
    assert [s.key for s in ballot.subjects] == ["1", "2", "3"]
    assert {(s.target, s.label, s.role, s.truth) for s in ballot.subjects} == {
        ("cat-0", "cat", "ask", None),
        ("cat-1", "cat", "ask", None),
        ("known", "cat", "gold", 0.0),
    }
    pictures = SheetView.model_validate(ballot.view).pictures
    assert [p.sample_id for p in pictures] == [s.target for s in ballot.subjects]


def test_every_sample_is_kept_and_a_round_says_what_is_on_its_cards():
    found = asked([*some(9), *some(1, "dog"), *some(4, "cow")])

    assert [s.sample_id[:3] for s in found.samples].count("cat") == 9
    assert [len(b.subjects) for b in found.ballots] == [9, 1, 4]
    assert sum(b.cards for b in found.ballots) == 14
    said = "".join(str(item.payload) for item in found.items if item.kind is OutboxKind.SAY)
    assert "Round 1: 3 sample cards (13 pictures stand on 2 of them)." in said
    assert "once every card, and each picture on it, has 2 votes" in said


# --- what it looks like -------------------------------------------------------------------------


def card(ballot, style="reactions", **more):
    return cards.question(ballot, spec(style), closes="closes by 12:00", **more)


def test_a_sheet_card_shows_one_picture_and_says_its_numbers_in_words_too():
    ballot = sheet(2)
    first, second = (s.target for s in ballot.subjects)

    seen = card(ballot, experts=["Ana"])

    assert seen.title == "Which of these are not “cat”?"
    assert [(p.path, p.alt) for p in seen.pictures] == [
        (
            "r1/sheets/r1.human.q0.0.png",
            f"Pictures filed under cat, by number: 1 {first}, 2 {second}",
        )
    ]
    assert seen.lines == ("Ana knows “cat” well.",)
    assert seen.seeds == ("one", "two", "up", "down", "unsure", "bad")
    assert [(b.id, b.part) for b in seen.buttons] == [
        ("1:no", "1"), ("2:no", "2"), ("yes", ""), ("no", ""), ("unsure", ""), ("bad", ""),
    ]  # fmt: skip
    assert seen.menu.options == (("1", "Picture 1"), ("2", "Picture 2"))
    assert seen.menu.levels == (("no", "Does not fit"), ("yes", "Fits"))
    assert seen.footer.startswith(f"r1 · 1 {first}, 2 {second} · tap the numbers")
    assert "or reply “3 7”" in seen.footer


def test_gold_cannot_be_told_by_its_card():
    others = [*some(4), candidate("cat-4")]
    known = [*some(4), candidate("cat-4", role="gold", truth=1.0, keep=0.99)]
    [plain], [gold] = asked(others).ballots, asked(known).ballots

    assert card(plain) == card(gold)


def test_a_blind_sheet_has_no_reactions_and_asks_for_no_replies():
    seen = card(sheet(style="buttons"), "buttons")

    assert seen.is_blind
    assert seen.seeds == ()
    assert "reply" not in seen.footer


def test_a_sheet_fits_the_limits_of_a_card():
    ballot = sheet(10, label="x" * 300)

    seen = card(ballot)

    assert len(seen.title) < 110
    assert len(seen.buttons) <= 25
    assert len(seen.menu.options) <= 25
    assert len(set(seen.seeds)) == 14  # Discord has 20 on a message


def closed(ballot, answers):
    return cards.with_tally(card(ballot), ballot, answers, is_closed=True)


def test_the_tally_says_which_pictures_do_not_fit():
    ballot = sheet()
    answers = {"1:yes": 2, "2:yes": 1, "3:no": 2, "9:no": 1, "4:unsure": 1, "label: class 03": 1}

    seen = closed(ballot, answers)

    assert seen.tally == (
        "fits 3 · does not fit: no. 3 (2), no. 9 (1) · can't tell 1 · label: class 03 1"
    )
    assert "tap the numbers" not in seen.footer
    assert closed(ballot, {}).tally == "no votes"


@pytest.fixture
def pool(tmp_path):
    """Nine small pictures and the round that asks about them, drawn."""
    for n in range(9):
        Image.new("RGB", (32, 32), (25 * n, 90, 160)).save(tmp_path / f"{n}.png")
    views = [
        SampleView(
            sample_id=f"cat-{n}", image_path=str(tmp_path / f"{n}.png"), image_side=32,
            label="cat", stands_for=1 + n,
        )
        for n in range(9)
    ]  # fmt: skip
    run = RUN.model_copy(update={"folder": str(tmp_path / "run")})
    return asked([Candidate(view=view, role="ask") for view in views], run=run)


def test_the_pictures_of_a_sheet_are_drawn_in_the_order_of_their_numbers(pool):
    [ballot] = pool.ballots

    sheets.draw_for([ballot])

    path = SheetView.model_validate(ballot.view).sheet_path
    with Image.open(path) as drawn:
        assert drawn.width == sheets.WIDTH
        side = (sheets.WIDTH - 4 * sheets.GAP) // 3
        for place, subject in enumerate(ballot.subjects):
            left, top = sheets._corner(place, 3, side, side + sheets.CAPTION)
            middle = drawn.getpixel((left + side // 2, top + side // 2))
            assert middle[0] == 25 * int(subject.target.removeprefix("cat-"))


def test_one_picture_that_is_lost_leaves_the_others_to_be_asked_about(pool, tmp_path, caplog):
    [ballot] = pool.ballots
    (tmp_path / "4.png").write_bytes(b"no picture")

    sheets.draw_for([ballot])

    assert "picture not drawn" in caplog.messages
    with Image.open(SheetView.model_validate(ballot.view).sheet_path) as drawn:
        assert drawn.width == sheets.WIDTH


# --- ways to answer -----------------------------------------------------------------------------


BALLOT = sheet(9)


def standing(events):
    """The marks that stand: the last of each, by time, then by order of arrival."""
    last = {}
    for mark in sorted(enumerate(events), key=lambda pair: (pair[1].at, pair[0])):
        last[mark[1].voter, mark[1].subject, mark[1].mark] = mark[1]
    return [mark for mark in last.values() if mark.op is VoteOp.CAST]


def votes(events):
    """What the view says of each picture; (person, number) -> choice."""
    order = {id(mark): n for n, mark in enumerate(events)}
    marks = sorted(standing(events), key=lambda m: (not m.is_rest, m.at, order[id(m)]))
    return {(m.voter, m.subject): m.answer for m in marks}


def heard(*happened, ballot=BALLOT):
    given = []
    for event in happened:
        given += hear(event, ballot, standing(given), at(90)).events
    return given


def misfit(found, who="u:ana"):
    """The numbers somebody says do not fit, those that fit, and those not spoken of."""
    mine = {key: answer for (voter, key), answer in found.items() if voter == who}
    no, yes = ("".join(k for k in sorted(mine) if mine[k] == answer) for answer in ("no", "yes"))
    return no, yes, "".join(s.key for s in BALLOT.subjects if s.key not in mine)


UP = ("+1", "up")
THREE, SEVEN = ("three", "three"), ("seven", "seven")


def tap(raw, second, who="u:ana"):
    return reacted(who, *raw, second)


def told(event):
    """What somebody did, in short."""
    said = event.text if event.kind == "thread_reply" else event.emoji.raw
    return f"{event.kind}:{said}@{event.at.second}"


@pytest.mark.parametrize(
    ("happened", "no", "yes"),
    [
        ([tap(THREE, 1)], "3", ""),
        ([tap(THREE, 1), tap(UP, 2)], "3", "12456789"),
        ([tap(UP, 1), tap(THREE, 2)], "3", "12456789"),
        ([tap(UP, 2), tap(THREE, 1)], "3", "12456789"),
        ([tap(UP, 1), tap(THREE, 2), took_back("u:ana", *THREE, 3)], "", "123456789"),
        ([tap(THREE, 1), tap(UP, 2), took_back("u:ana", *UP, 3)], "3", ""),
        ([tap(THREE, 1), tap(("-1", "down"), 2)], "123456789", ""),
        ([tap(("keycap_ten", "ten"), 1)], "", ""),
        ([replied("u:ana", "3 no, 7 no")], "37", ""),
        ([replied("u:ana", "3: no\n7: fits")], "3", "7"),
        ([replied("u:ana", "3 7")], "37", "1245689"),
        ([replied("u:ana", "#3, 7 and 9")], "379", "124568"),
        ([replied("u:ana", "all fit")], "", "123456789"),
        ([replied("u:ana", "None of them fits.")], "123456789", ""),
        ([replied("u:ana", "3 7", second=1), tap(UP, 2)], "37", "1245689"),
        ([tap(UP, 1), replied("u:ana", "3 no", second=2)], "3", "12456789"),
        ([replied("u:ana", "3 7", second=1), tap(("five", "five"), 2)], "357", "124689"),
        ([tap(THREE, 1), replied("u:ana", "all fit", second=2)], "", "123456789"),
        ([replied("u:ana", "all"), replied("u:ana", "3 apples"), replied("u:ana", "none")], "", ""),
    ],
    ids=lambda one: one if isinstance(one, str) else " ".join(map(told, one)),
)  # fmt: skip
def test_every_way_to_say_which_pictures_do_not_fit(happened, no, yes):
    assert misfit(votes(heard(*happened)))[:2] == (no, yes)


def pressed(choice, second=1, who="u:ana"):
    return base.ButtonPressed(
        event_id=f"b{second}", user=who, at=at(second), ref=REF, choice=choice
    )


def filled(second=1, **values):
    lines = {key.removeprefix("n"): value for key, value in values.items()}
    return base.FormSubmitted(
        event_id=f"f{second}", user="u:ana", at=at(second), ref=REF, values=lines
    )


def test_buttons_say_the_same_and_what_is_pressed_of_all_others_keeps_the_numbers():
    assert misfit(votes(heard(pressed("3:no", 1), pressed("yes", 2)))) == ("3", "12456789", "")
    assert misfit(votes(heard(pressed("yes", 1), pressed("3:no", 2)))) == ("3", "12456789", "")
    again = heard(pressed("3:no", 1), pressed("no", 2), pressed("yes", 3))
    assert misfit(votes(again)) == ("3", "12456789", "")
    assert heard(pressed("12:no"), pressed("3:maybe"), pressed("maybe")) == []


def test_a_line_of_the_form_says_one_thing_of_one_picture():
    events = heard(pressed("3:no", 1), pressed("yes", 2), filled(3, n3="yes", n4="no", n77="no"))

    assert misfit(votes(events)) == ("4", "12356789", "")
    assert {e.value for e in events if e.via == "form"} == {1.0, -1.0}


def test_who_cannot_tell_the_others_abstains_on_them_alone():
    found = votes(heard(tap(THREE, 1), tap(("shrug", "unsure"), 2)))

    assert misfit(found) == ("3", "", "")
    assert found["u:ana", "1"] == "unsure"


def test_an_edited_reply_says_what_it_says_now_and_nothing_else():
    ballot = sheet(4)
    first = heard(replied("u:ana", "1 2"), ballot=ballot)
    edited = base.ReplyEdited(
        event_id="e", user="u:ana", at=at(9), ref=REF, reply_id="7", text="3 no"
    )

    found = votes([*first, *hear(edited, ballot, standing(first), at(9)).events])

    assert found == {("u:ana", "3"): "no"}


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("12 3", "There is no picture 12 on this card."),
        ("label: class 03", "Which picture? Say its number, too, e.g. “label 3: NAME”."),
    ],
)
def test_what_was_nearly_said_is_hinted_at(text, hint):
    assert (read_reply(text, BALLOT).said, read_reply(text, BALLOT).hint) == ((), hint)


def test_a_better_label_is_given_by_number():
    [said] = read_reply("label 3: class_03", BALLOT).said

    assert (said.subject, said.answer) == ("3.label", "class 03")


def test_numbers_mean_nothing_on_other_cards():
    single = sample_ballot()

    assert heard(tap(("one", "one"), 1), ballot=single) == []
    assert read_reply("1", single).said == ()
    assert read_reply("all fit", single).said == ()


@given(st.text(alphabet="0123456789 ,;#&andfitloe\n:", max_size=30))
def test_whatever_is_typed_every_picture_gets_one_answer_at_most(text):
    said = read_reply(text, BALLOT).said

    assert len({one.subject for one in said}) == len(said)
    assert {one.subject for one in said} <= {s.key for s in BALLOT.subjects}


# --- in any order, and as a look finds it -------------------------------------------------------


SPELT = {"+1": "up", "+1::3": "up", "three": "three", "seven": "seven", "five": "five"}
toggles = st.lists(
    st.tuples(st.sampled_from(["u:ana", "u:bo"]), st.sampled_from(sorted(SPELT))), max_size=10
)


def played(taps):
    """What happened on the platform, and what stands there in the end: raw -> users."""
    there, happened = set(), []
    for second, (who, raw) in enumerate(taps, 1):
        is_on = (who, raw) not in there
        (there.add if is_on else there.remove)((who, raw))
        make = reacted if is_on else took_back
        happened.append(make(who, raw, SPELT[raw], second))
    return happened, {raw: frozenset(w for w, r in there if r == raw) for raw in SPELT}


def looked(there, asked_at=95):
    return base.Snapshot(
        reactions={raw: users for raw, users in there.items() if users}, canonical=SPELT,
        replies=(), is_complete=True, asked_at=at(asked_at),
    )  # fmt: skip


def meant(there):
    """A number standing says no, a thumb says that all others fit."""
    found = {}
    for raw, users in there.items():
        for who in users:
            for s in BALLOT.subjects if SPELT[raw] == "up" else ():
                found.setdefault((who, s.key), "yes")
    for raw, users in there.items():
        for who in users:
            if SPELT[raw] != "up":
                found[who, str(NUMBERS.index(raw) + 1)] = "no"
    return found


@settings(max_examples=150)
@given(toggles, st.randoms(use_true_random=False))
def test_events_in_any_order_and_a_look_say_the_same(taps, rng: random.Random):
    happened, there = played(taps)
    rng.shuffle(happened)
    lost = [event for event in happened if rng.random() < 0.5]

    in_time = heard(*happened)
    missed = heard(*lost)
    mended = [*missed, *reconcile(looked(there), BALLOT, standing(missed), at(99))]

    assert votes(in_time) == meant(there)
    assert votes(reconcile(looked(there), BALLOT, [], at(99))) == meant(there)
    assert votes(mended) == meant(there)
    assert reconcile(looked(there), BALLOT, standing(in_time), at(99)) == ()


def test_thumbs_up_and_down_without_an_order_count_for_nothing_but_numbers_do():
    there = {"+1": frozenset({"u:ana"}), "-1": frozenset({"u:ana"}), "three": frozenset({"u:ana"})}
    look = looked({}).model_copy(
        update={"reactions": there, "canonical": {"+1": "up", "-1": "down", "three": "three"}}
    )

    found = votes(reconcile(look, BALLOT, [], at(99)))

    assert misfit(found) == ("3", "", "")
    assert {answer for (_, key), answer in found.items() if key != "3"} == {CONFLICT}

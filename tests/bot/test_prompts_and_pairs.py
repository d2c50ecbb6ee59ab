"""Cards about answers, pairs, topics and the model's own answers: how they read, and what is heard."""

import json
import random

import pytest

from bot import cutting, messages, wording
from bot.ask import questions, to_repeat
from bot.cards import question, with_tally
from bot.cutting import cut_all
from bot.dirt import is_audit
from bot.grammar import read_reply
from bot.jury import HAPPY_WITH, Colleague, answer, better_label, levels, prefer
from bot.messages import own_answers, round_closed
from bot.opinions import opinions
from bot.votes import hear
from storage.models import Arm, ArmState, FeatureView, Run, RunState, SampleView, SubjectKind
from tests.bot.cards import PAIRS, PROMPTS, T0, TEXTS, chose, reacted, vote
from trainer.segment import Candidate, SegmentReport
from trainer.spec import RunSpec

RUN = Run(
    run_id="r1", name="t", spec={}, seed=0, state=RunState.TRAINING, folder="r1",
    created_by="web:ana", created_at=T0,
)  # fmt: skip
ARM = Arm(arm_id="r1.human", run_id="r1", name="human", position=0, state=ArmState.ACTIVE)
TOPICS = FeatureView(
    label="topics", features=("list sort element", "socket address"), shares=(0.6, 0.4),
    examples=("How do I sort?", "What is a port?"),
)  # fmt: skip
OWN = SampleView(
    sample_id="dev-3", parts=(("Prompt", "What is a port?"), ("Model's answer", "A number."))
)


def spec(task, style="reactions"):
    data = {"pool": "csv:pool.csv"}
    return RunSpec(name="t", task=task, model="toy", data=data, ask={"style": style})


def answered(prompt="What is a port?", answer="A door for packets.", **changes):
    view = SampleView(sample_id="pool-7", parts=(("Prompt", prompt), ("Answer", answer)))
    return Candidate(view=view, role="ask").model_copy(update=changes)


def pair(given="A", a="A door for packets.", b="I am sorry.", **changes):
    parts = (("Prompt", "What is a port?"), ("A", a), ("B", b))
    view = SampleView(sample_id="pool-7", parts=parts, label=given)
    return Candidate(view=view, role="ask", options=("A", "B")).model_copy(update=changes)


def asked(task, *candidates, style="reactions", features=(), generations=()):
    report = SegmentReport(
        run_id="r1", arm="human", segment=0, attempt=1, lease_token="t", outcome="done",
        labels=("answer",) if task == "causal-lm" else ("A", "B"), candidates=candidates,
        features=features, generations=generations, started_at=T0, ended_at=T0,
    )  # fmt: skip
    found = questions(
        RUN, ARM, spec(task, style), report, number=0, now=T0, channels={"memory": "c"},
        experts={"A": ("Ana",), "answer": ("Ana",)},
    )  # fmt: skip
    assert found is not None
    return found


def card(task, ballot, style="reactions"):
    return question(ballot, spec(task, style), closes="closes by 12:00")


def ballot_of(task, candidate):
    return asked(task, candidate).ballots[0]


# --- an answer ----------------------------------------------------------------------------------


def test_an_answer_is_shown_under_its_prompt_and_asked_to_be_worth_learning_from():
    shown = card("causal-lm", ballot_of("causal-lm", answered()))

    assert shown.title == "Should the model learn from this answer?"
    assert [(p.key, p.title, p.text) for p in shown.parts] == [
        ("", "Prompt", "What is a port?"),
        ("", "Answer", "A door for packets."),
    ]
    assert [b.label for b in shown.buttons] == [
        "Worth learning", "Not worth it", "Can't tell", "Bad card",
    ]  # fmt: skip
    assert shown.seeds == ("up", "down", "unsure", "bad")


def test_long_parts_are_cut_and_short_ones_leave_their_room_to_them():
    assert cut_all(["a" * 9, "b" * 9], 20) == ["a" * 9, "b" * 9]
    assert [len(t) for t in cut_all(["a" * 5, "b" * 99, "c" * 99], 35)] == [5, 15, 15]

    prompt, told = card("causal-lm", ballot_of("causal-lm", answered("p" * 9000, "a" * 300))).parts

    assert told.text == "a" * 300
    assert len(prompt.text) == cutting.MAX_PARTS_TEXT - 300
    assert prompt.text.endswith("…")


def test_an_empty_answer_is_seen_to_be_empty():
    assert (
        card("causal-lm", ballot_of("causal-lm", answered(answer=" \n"))).parts[1].text == "(empty)"
    )


def test_votes_on_an_answer_say_whether_it_is_kept_and_nothing_of_labels():
    ballot = ballot_of("causal-lm", answered())

    heard = opinions([ballot], [vote(ballot, p, 1.0, answer="yes") for p in ("ana", "bo")])

    [opinion] = heard.opinions.samples
    assert (opinion.labels, opinion.relabel, opinion.votes) == ((), None, 2)
    assert opinion.keep > 0.7
    said = round_closed(1, heard.tally, "quorum", PROMPTS)
    assert "2 worth learning, 0 not worth it, 0 can't tell" in said


@pytest.mark.parametrize("text", ["words answer: door", "about answer: it is a door"])
def test_what_the_one_label_of_answers_means_is_not_asked(text):
    assert read_reply(text, ballot_of("causal-lm", answered())).said == ()


# --- a pair -------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["reactions", "buttons", "both"])
def test_a_pair_does_not_tell_which_side_the_data_prefers(style):
    shown = set()
    for given in ("A", "B"):
        found = asked("preference", pair(given), style=style)
        shown.add(json.dumps([item.payload for item in found.items]))
        ballot = found.ballots[0]
        open_ = with_tally(card("preference", ballot, style), ballot, {"A": 2}, is_closed=False)
        shown.add(open_.tally)

    assert len(shown) == 2
    assert not any("Ana" in text for text in shown)  # nor who knows side A well


def test_the_sides_of_a_pair_stand_in_their_order_with_their_buttons():
    ballot = ballot_of("preference", pair("B"))
    shown = card("preference", ballot)

    assert ballot.ask == "prefer"
    assert shown.title == "Which answer is better?"
    assert [(p.key, p.title) for p in shown.parts] == [("", "Prompt"), ("A", "A"), ("B", "B")]
    assert [(c.label, c.value, c.emoji, c.names) for c in ballot.choices] == [
        ("A", -1.0, ("a",), "A"),
        ("B", 1.0, ("b",), "B"),
        ("About the same", -1.0, ("same",), None),
        ("Bad pair", -1.0, ("bad",), None),
        ("Can't tell", None, ("unsure",), None),
    ]


@pytest.mark.parametrize(
    ("text", "choice"),
    [
        ("A", "A"), ("a", "A"), (" B ", "B"), ("label: A", "A"), ("label: b", "B"),
        ("tie", "tie"), ("About the same", "tie"), ("bad", "bad"), ("bad pair", "bad"),
        ("can’t tell", "unsure"),
    ],
)  # fmt: skip
def test_a_side_can_be_typed(text, choice):
    [said] = read_reply(text, ballot_of("preference", pair())).said

    assert (said.subject, said.answer) == ("1", choice)


@pytest.mark.parametrize("text", ["a good one", "words A: door", "about B: it is rude", "A or B"])
def test_prose_and_what_sides_mean_are_no_votes(text):
    assert read_reply(text, ballot_of("preference", pair())).said == ()


def test_an_emoji_means_its_side():
    [event] = hear(reacted("web:ana", "b", "b"), ballot_of("preference", pair()), (), T0).events

    assert (event.subject, event.answer, event.value) == ("1", "B", -1.0)


@pytest.mark.parametrize(
    ("said", "likeliest", "relabel"),
    [
        (("A", "A", "A"), "A", None),
        (("B", "B", "B"), "B", "B"),
        (("Bad pair", "Bad pair", "About the same"), None, None),
        (("Can't tell",), None, None),
    ],
)
def test_the_team_s_side_is_told_with_its_posterior(said, likeliest, relabel):
    ballot = ballot_of("preference", pair("A"))

    found = opinions([ballot], [chose(ballot, f"p{i}", name) for i, name in enumerate(said)])

    if said == ("Can't tell",):
        assert found.opinions.samples == ()
        return
    [opinion] = found.opinions.samples
    shares = dict(opinion.labels)
    assert opinion.keep == pytest.approx(shares["A"])
    assert sum(shares.values()) <= 1 + 1e-9
    assert opinion.relabel == relabel
    if likeliest is None:
        assert sum(shares.values()) < 0.4  # the rest is a tie, or bad
    else:
        assert shares[likeliest] > 0.7


def test_a_round_of_pairs_is_told_in_the_words_of_pairs():
    ballot = ballot_of("preference", pair("A"))
    tally = opinions([ballot], [chose(ballot, "ana", "B"), chose(ballot, "bo", "A")]).tally

    said = round_closed(1, tally, "deadline", PAIRS)
    closed = with_tally(
        card("preference", ballot), ballot, {"A": 1, "tie": 2, "bad": 1}, is_closed=True
    )

    assert "1 for the side that the data prefers, 1 against it" in said
    assert closed.tally == "A 1 · about the same 2 · bad pair 1"


# --- topics -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["causal-lm", "preference"])
def test_a_topic_card_asks_for_the_mixture_and_shows_examples(task):
    [_, ballot] = asked(
        task, answered() if task == "causal-lm" else pair(), features=(TOPICS,)
    ).ballots
    shown = card(task, ballot)

    assert shown.title == "How much of the training should each topic get?"
    assert [bar[2] for bar in shown.bars] == ["60.0 %", "40.0 %"]
    assert shown.lines[1:] == (
        "list sort element, e.g. “How do I sort?”",
        "socket address, e.g. “What is a port?”",
    )
    assert [value for value, _ in shown.menu.levels] == list("012345")
    assert "label" not in shown.model_dump_json().replace('"label"', "")
    assert "words" not in " ".join(shown.lines)
    [said] = read_reply("list sort element 5", ballot).said
    assert (said.subject, said.value) == ("A", 1.0)
    assert read_reply("words topics: sort", ballot).said == ()


def test_a_topic_is_weighed_like_a_feature():
    [_, ballot] = asked("causal-lm", answered(), features=(TOPICS,)).ballots

    heard = opinions([ballot], [vote(ballot, "ana", 1.0, subject="A", answer="5")])

    [opinion] = heard.opinions.features
    assert (opinion.label, opinion.feature) == ("topics", "list sort element")
    said = messages.ranking_said(heard.ranking, PROMPTS)
    assert said.startswith("How much of the training each topic should get, from 0 = hardly any")


# --- the model's own answers --------------------------------------------------------------------


def test_the_model_s_own_answers_follow_the_samples_and_are_no_samples():
    found = asked("causal-lm", answered(), features=(TOPICS,), generations=(OWN, OWN))

    assert [b.ask for b in found.ballots] == ["fits", "happy", "happy", "importance"]
    own = found.ballots[1]
    assert own.subjects[0].kind is SubjectKind.GENERATION
    assert [sample.sample_id for sample in found.samples] == ["pool-7"]
    assert card("causal-lm", own).title == "Would you be happy with this answer?"
    assert [p.title for p in card("causal-lm", own).parts] == ["Prompt", "Model's answer"]
    assert to_repeat(found.ballots, 9, "lot") == [found.ballots[0]]
    assert (
        "1 sample card and 1 topic card. And 2 of the model's own" in found.items[0].payload["text"]
    )


def test_votes_on_the_model_s_own_answers_are_never_trained_on():
    own = asked("causal-lm", answered(), generations=(OWN,)).ballots

    heard = opinions(own, [vote(own[1], "ana", 1.0, answer="yes")])

    assert heard.opinions == opinions(own, []).opinions
    assert heard.tally.is_silent


def test_the_model_s_own_answers_can_be_answered_in_words():
    own = asked("causal-lm", answered(), generations=(OWN,)).ballots[1]

    assert [said.answer for said in read_reply("yes", own).said] == ["yes"]


def test_an_audit_stays_one_beside_the_model_s_own_answers():
    assert is_audit(asked("causal-lm", answered(role="audit"), generations=(OWN,)).ballots)
    assert not is_audit(asked("causal-lm", answered(), generations=(OWN,)).ballots)


def test_own_answers_in_a_thread_are_short_and_one_line_each():
    long = SampleView(
        sample_id="d2", parts=(("Prompt", "Why?\n\nTell me."), ("Model's answer", "so " * 900))
    )
    empty = SampleView(sample_id="d3", parts=(("Prompt", "And?"), ("Model's answer", " ")))

    first, *lines, last = own_answers([OWN, long, empty]).splitlines()

    assert first == "What the model answers by now to held-out prompts:"
    assert [line.strip(" •").partition(":")[0] for line in lines] == [
        "Prompt",
        "Model's answer",
    ] * 3
    assert lines[2] == "• Prompt: Why? Tell me."
    assert lines[5] == "  Model's answer: (empty)"
    assert sum(map(len, lines)) < 1800
    assert "`stop`" in last


def test_labels_are_asked_about_in_the_words_they_always_were():
    assert "3 fit" not in round_closed(1, opinions([], []).tally, "quorum", TEXTS)
    assert wording.wording(TEXTS).levels[0] == ("0", "does not matter")


# --- simulated colleagues -----------------------------------------------------------------------

CAREFUL, LAZY = Colleague("Ada", 0.9), Colleague("Linus", 0.9, is_lazy=True)


def as_seen(task, ballot):
    return card(task, ballot).model_dump(mode="json")


@pytest.mark.parametrize(("truth", "right"), [("answer", "up"), ("(off topic)", "down")])
def test_a_colleague_knows_what_is_worth_learning(truth, right):
    rng, seen = random.Random(1), as_seen("causal-lm", ballot_of("causal-lm", answered()))

    given = [answer(seen, {"pool-7": truth}, CAREFUL, rng) for _ in range(1000)]

    assert given.count(right) / 1000 == pytest.approx(0.9, abs=0.04)
    assert better_label(seen, "down", {"pool-7": truth}, 1.0, rng) is None


@pytest.mark.parametrize(("truth", "right"), [("A", "A"), ("B", "B"), ("(off topic)", "bad")])
def test_a_colleague_knows_the_better_side_and_makes_any_mistake_but_cannot_tell(truth, right):
    rng, seen = random.Random(1), as_seen("preference", ballot_of("preference", pair()))

    given = [prefer(seen, {"pool-7": truth}, CAREFUL, rng) for _ in range(3000)]

    shares = {choice: given.count(choice) / len(given) for choice in set(given)}
    assert shares.pop(right) == pytest.approx(0.9, abs=0.02)
    assert shares.keys() == {"A", "B", "tie", "bad"} - {right}
    assert prefer(seen, {}, CAREFUL, rng) is None
    assert prefer(seen, {"pool-7": "B"}, LAZY, rng) == "A"


def test_colleagues_are_of_two_minds_about_the_model_s_own_answers_and_topics():
    own = as_seen("causal-lm", asked("causal-lm", answered(), generations=(OWN,)).ballots[1])
    rng = random.Random(1)

    given = [answer(own, {}, CAREFUL, rng) for _ in range(1000)]
    weighed = levels({"options": [("A", "the"), ("B", "x")]}, CAREFUL, rng, of_topics=True)

    assert given.count("up") == pytest.approx(500, abs=60)
    assert given.count("up") + given.count("down") == 1000
    assert set(weighed.values()) <= {"2", "3"}


def test_the_jury_asks_what_the_cards_ask():
    assert HAPPY_WITH == wording.HAPPY_WITH

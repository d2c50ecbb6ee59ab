"""Rows about prompts and pairs: what simulated people answer, and what the results come to."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from bot.bench.learning.team import Rater
from bot.bench.tasks import language, language_summary, pairs, suite
from bot.bench.tasks.crew import Crew, levels_of_topics
from bot.bench.tasks.crossings import Cells, cost_to, left_at, nats_at, with_scoring
from bot.bench.tasks.groups import Setting
from bot.bench.tasks.prompts import Cell, auc_of, kept_of, spec_of
from bot.thumbs import THUMBS
from storage.models import FeatureView, SampleView
from tests.bot.cards import report_of
from trainer.data.samples import OFF_TOPIC
from trainer.kinds import ANSWER
from trainer.segment import Candidate
from trainer.spec import RunSpec

TEAM = [Rater(f"p{i}", 1.0) for i in range(5)]
TWO_TOPICS = FeatureView(
    label="topics", features=("how many apples", "poem wind"), shares=(0.5, 0.5)
)


def crew(task: str = "causal-lm", team: list[Rater] = TEAM, seed: int = 0) -> Crew:
    spec = RunSpec(name="t", task=task, model="toy", data={"pool": "jsonl:pool.jsonl"})
    return Crew(team, spec, np.random.default_rng(seed))


def cards_of(truth, label=None, role="ask", keep=None):
    parts = (("Prompt", "?"), ("A", "one"), ("B", "two"))
    return [
        Candidate(view=SampleView(sample_id=i, parts=parts, label=label), role=role, keep=keep)
        for i in truth
    ]


ANSWERS = {f"pool-{i}": ANSWER if i % 2 else OFF_TOPIC for i in range(60)}
SIDES = {f"pool-{i}": ("A", "B", OFF_TOPIC)[i % 3] for i in range(60)}


# --- people -------------------------------------------------------------------------------------


def test_careful_people_are_heard_to_say_which_answers_are_good():
    people = crew()

    people.judge(report_of(cards_of(ANSWERS)), ANSWERS, 40)

    heard = {o.sample_id: o.keep for o in people.opinions.samples}
    assert len(people.votes) == 40
    assert people.seconds == pytest.approx(168)
    assert set(heard) == set(people.asked)
    assert all((keep > 0.5) == (ANSWERS[i] == ANSWER) for i, keep in heard.items())


def test_some_cards_are_answered_by_two():
    people = crew()

    people.judge(report_of(cards_of(ANSWERS)), ANSWERS, 40)

    voters = Counter(vote.ballot_id for vote in people.votes)
    assert set(voters.values()) == {1, 2}


def test_careful_people_prefer_the_right_side_and_throw_out_what_is_no_pair():
    people = crew("preference")

    people.judge(report_of(cards_of(SIDES, label="A"), labels=("A", "B")), SIDES, 60)

    for said in people.opinions.samples:
        sides = dict(said.labels)
        right = SIDES[said.sample_id]
        assert (sum(sides.values()) < 0.5) == (right == OFF_TOPIC)
        assert right == OFF_TOPIC or max(sides, key=lambda side: sides[side]) == right


@pytest.mark.parametrize(
    ("task", "truth", "wrong"),
    [("causal-lm", dict.fromkeys(ANSWERS, ANSWER), {"no"}),
     ("preference", dict.fromkeys(SIDES, "A"), {"B", "tie", "bad"})],
    ids=["answers", "pairs"],
)  # fmt: skip
def test_a_mistake_is_any_other_answer_but_that_one_cannot_tell(task, truth, wrong):
    people = crew(task, [Rater("p", 0.0)])

    people.judge(report_of(cards_of(truth), labels=("A", "B")), truth, 60)

    assert {vote.answer for vote in people.votes} == wrong


def test_random_cards_tell_whether_the_pool_is_worth_asking_about():
    clean, dirty = crew(), crew()
    good = dict.fromkeys(ANSWERS, ANSWER)

    clean.judge(report_of(cards_of(good, role="audit")), good, 30)
    dirty.judge(report_of(cards_of(ANSWERS, role="audit")), ANSWERS, 30)

    assert clean.dirt.high < THUMBS["answer"].go_above < dirty.dirt.low


def test_people_weigh_topics_once_each_as_they_see_them():
    people = crew()

    people.weigh(report_of(features=(TWO_TOPICS,)), {"how many apples": 4, "poem wind": 1}, times=3)

    heard = {o.feature: (o.value, o.votes) for o in people.opinions.features}
    assert len(people.votes) == 6
    assert heard["how many apples"][0] > heard["poem wind"][0]
    assert {votes for _, votes in heard.values()} == {3}


def test_a_topic_is_what_the_prompts_with_its_words_are():
    """Both problems hold two of the first topic's words; the poem's topic is no problem's."""
    prompts = ["How many apples are left?", "How many pears?", "A poem about wind", "Many winds"]

    levels = levels_of_topics(TWO_TOPICS.features, prompts, [True, True, False, True])

    assert levels == {"how many apples": 4, "poem wind": 1}


# --- what a cell finds out ----------------------------------------------------------------------


def test_guesses_on_cards_are_held_against_the_truth():
    good = cards_of([i for i, right in ANSWERS.items() if right == ANSWER], keep=0.8)
    bad = cards_of([i for i, right in ANSWERS.items() if right != ANSWER], keep=0.2)

    assert auc_of(report_of(good + bad), ANSWERS) == 1.0
    assert auc_of(report_of(), ANSWERS) is None


def test_what_is_kept_is_counted_by_its_labels_and_duplicates_once():
    """Kept: a, b and d, two of them right; right could be a, b and c, which says the same as a."""
    chosen = {"a": (0.9, 1.2, "A"), "b": (0.9, 1.0, "B"), "c": (0.9, 0, "A"), "d": (0.4, 0.8, "A")}
    truth = {"a": "A", "b": "B", "c": "A", "d": OFF_TOPIC}

    found = kept_of(chosen, truth, {"a": "same", "b": "other", "c": "same", "d": "last"})

    assert found == {"kept": 3, "right": pytest.approx(2 / 3), "recall": 1.0}


def test_a_control_trains_to_its_end_and_people_may_end_earlier(tmp_path):
    about = {"body": "toy", "max_tokens": 208}
    patience = {
        arm: spec_of(
            Cell("mix", 0, arm), "causal-lm", tmp_path, about, language.TRAIN
        ).train.patience
        for arm in ("control", "oracle", "human")
    }

    assert patience == {"control": 0, "oracle": 0, "human": 4}


# --- curves -------------------------------------------------------------------------------------


def curve(*losses, step=100, dev=True):
    """Evaluations every `step` tokens and 10 samples, with these losses in nats."""
    return [
        {"samples": 10 * i, "tokens": step * i, "cpu_s": 1.0 * i, "forwards": 22.0 * i,
         "metric": math.exp(-loss), "dev": math.exp(-loss) if dev else None}
        for i, loss in enumerate(losses)
    ]  # fmt: skip


def test_a_crossing_is_interpolated_in_nats():
    """From 3.8 at 100 to 3.4 at 200: 3.5 is three quarters of the way."""
    assert cost_to(curve(4.0, 3.8, 3.4), 3.5, "tokens") == pytest.approx(175)
    assert cost_to(curve(4.0, 3.8, 3.4), 3.3, "tokens") is None
    assert cost_to(curve(4.0, 3.8), 4.1, "tokens") == 0


def test_a_loss_is_read_between_evaluations_and_stays_what_it_was_at_the_end():
    assert nats_at(curve(4.0, 3.8, 3.4), 150, "tokens") == pytest.approx(3.6)
    assert nats_at(curve(4.0, 3.8, 3.4), 900, "tokens") == pytest.approx(3.4)


def test_other_forwards_count_as_tokens_that_cost_as_much():
    """22 forwards before the first step are as many as training on 10 samples of 10 tokens."""
    looked = [{**point, "forwards": point["forwards"] + 22} for point in curve(4.0, 3.8)]

    assert [p["all_tokens"] for p in with_scoring(looked, 10)] == pytest.approx([100, 200])


def test_what_cannot_be_paid_for_is_not_left():
    row = {"curve": curve(0.9, 0.5, 0.7, 0.1)}

    assert left_at(row, 250, "tokens") == pytest.approx(math.exp(-0.5))
    assert left_at(row, 300, "tokens") == pytest.approx(math.exp(-0.1))


# --- what the rows come to ----------------------------------------------------------------------


def row(arm, losses, recipe="mix", seed=0, votes=0, step=100, **found):
    points = curve(*losses, step=step)
    last = points[-1]
    return {
        "cell": f"{recipe}-{seed}-{arm}-{votes}", "recipe": recipe, "seed": seed, "arm": arm,
        "votes": votes, "curve": points, "people_s": 4.2 * votes, "cpu_s": last["cpu_s"],
        "tokens": last["tokens"], "samples": last["samples"], "forwards": last["forwards"],
        "auc": None, "score_s": 0.5, **found,
    }  # fmt: skip


MIX = [
    row("stock", (4.0, 3.8, 3.6, 3.5, 3.4), score_s=0.0),
    row("control", (4.0, 3.7, 3.5, 3.4, 3.4)),
    row("no_votes", (4.0, 3.6, 3.4, 3.4, 3.4)),
    row("oracle", (4.0, 3.5, 3.3, 3.3, 3.3)),
    row("human", (4.0, 3.4, 3.3, 3.3, 3.3), votes=100, decision="go", kept=300, right=0.9),
]


def test_figures_of_prompts_are_shares_of_what_the_stock_arm_needs():
    """Stock: 400 tokens and 4 s to 3.4; people 100 and 1 s, half of it to choose; no votes 200,
    control 300."""
    values = [figure.value for figure in language_summary.figures(Cells(MIX))]

    assert values == pytest.approx([0.25, 0.25, 0.25, 0.125, 1 / 3, 0.25, 0.1])


def test_who_never_gets_there_has_no_mean_but_saves_nothing():
    never = [*MIX[:-1], row("human", (4.0, 3.9, 3.8), votes=100)]

    assert language_summary.figures(Cells(never))[0].value is None
    assert language_summary.saved(Cells(never), "human:100") == {0: pytest.approx(-0.5)}


def test_nothing_is_said_to_be_saved_where_nobody_gets_there():
    ahead = [row("stock", (4.0, 3.0)), *MIX[1:]]

    assert language_summary.saved(Cells(ahead), "human:100") == {0: None}
    assert language_summary.ahead(Cells(ahead), "human:100") == pytest.approx([0.1])


def test_the_benchmark_is_void_where_nothing_is_won_by_choosing():
    idle = [*MIX[:3], row("oracle", (4.0, 3.9, 3.8, 3.8, 3.8))]

    assert language_summary.gates(Cells(MIX)) == []
    assert "oracle" in language_summary.gates(Cells(idle))[0]


def test_votes_that_do_not_generalise_are_noticed_either_way():
    assert language_summary.is_noticed({"decision": "no-go", "note": ""})
    assert language_summary.is_noticed({"decision": "go", "note": "the votes do not generalise"})
    assert not language_summary.is_noticed({"decision": "go", "note": ""})


def test_no_ratio_is_told_where_the_control_gains_nothing():
    flat = [row("control", (4.0, 3.98), "topics"), row("human", (4.0, 3.9), "topics", votes=1)]

    assert language_summary.topic_costs(Cells(flat), "human:1") == {}


def test_verdicts_follow_the_interval():
    assert "votes add" in language_summary.verdict([0.2, 0.21, 0.19])
    assert "votes cost" in language_summary.verdict([-0.2, -0.21, -0.19])
    assert "chance" in language_summary.verdict([0.2, -0.21, 0.1])
    assert "one seed" in language_summary.verdict([0.2])


def test_a_section_of_prompts_has_a_row_for_every_seed():
    more = [*MIX, row("stock", (4.0, 3.5), seed=1)]

    section = language_summary.section(more)

    assert len(section.tables) == 1
    assert [line[:2] for line in section.tables[0][1:3]] == [("stock", "0"), ("stock", "1")]
    assert len({len(line) for line in section.tables[0]}) == 1
    assert any("4.00" in note for note in section.notes)


def pair_row(arm, accuracies, recipe="pairs-sys", votes=0, **found):
    losses = [-math.log(accuracy) for accuracy in accuracies]
    return row(arm, losses, recipe, votes=votes, kept=300, right=0.95, **found)


PAIRS = [
    pair_row("control", (0.5, 0.45, 0.4)),
    pair_row("autorel", (0.5, 0.55, 0.5)),
    pair_row("oracle", (0.5, 0.8, 0.8)),
    pair_row("human", (0.5, 0.8, 0.8, 0.99), votes=100),
]


def test_points_of_pairs_are_at_what_the_control_costs():
    """The .99 comes after the control's whole cost; the control leaves what it began with."""
    assert pairs.points(Cells(PAIRS), "pairs-sys", ["control"]) == pytest.approx([30])
    assert pairs.points(Cells(PAIRS), "pairs-sys", ["autorel"]) == pytest.approx([25])


def test_a_section_of_pairs_has_figures_and_every_seed():
    section = pairs.section(PAIRS)

    assert [figure.holds for figure in section.figures] == [True, True, False, True]
    assert len(section.tables[0]) == 1 + len(PAIRS)
    assert section.void == ()


@pytest.mark.parametrize("is_quick", [True, False])
def test_both_groups_are_part_of_the_benchmark(tmp_path, is_quick):
    setting = Setting(tmp_path, tmp_path, (0,), is_quick)
    groups = [make(setting) for make in suite.GROUPS]
    names = [name for group in groups for name in group.names()]

    assert {"language", "pairs"} <= {group.name for group in groups}
    assert len(names) == len(set(names))
    quick = "-quick" if is_quick else ""  # its cells are shorter: no others are taken for them
    assert f"language{quick}-mix-0-human-100x0.85" in names

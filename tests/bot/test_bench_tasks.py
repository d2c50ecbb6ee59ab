"""`joulery bench tasks`: what is asked, what answers come to, and what the rows come to."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw

from bot import sheets
from bot.bench.figures import Figure
from bot.bench.learning.summary import Results
from bot.bench.tasks import features_summary, images, report, said, suite
from bot.bench.tasks import sheets as read_sheets
from bot.bench.tasks.features import NEEDS, Features
from bot.bench.tasks.groups import Section, Setting, not_there
from bot.bench.tasks.recorded import RecordedJury
from bot.leaning import shifts, shifts_table
from storage.models import FeatureView, SampleView
from tests.bot.cards import report_of
from trainer.segment import Candidate, FeatureOpinion


def card(label, *shares):
    names, values = zip(*shares, strict=True)
    return FeatureView(label=label, features=names, shares=values)


# --- recorded answers ---------------------------------------------------------------------------

LABELS = ("bird", "cat")


def jury(said_of, given, seed=0):
    return RecordedJury(said_of, given, LABELS, np.random.default_rng(seed))


def candidates(ids, role="ask"):
    return [
        Candidate(view=SampleView(sample_id=i, label="cat"), role=role, options=LABELS) for i in ids
    ]


def test_a_recorded_jury_answers_what_others_said_and_never_more_than_asked():
    ids = [f"pool-{i}" for i in range(40)]
    people = jury(dict.fromkeys(ids, ("bird", "bird")), dict.fromkeys(ids, "cat"))

    people.answer(report_of(candidates(ids)), 30)

    assert people.votes == 30
    assert len(people.asked) == len(set(people.asked)) <= 30
    assert {o.relabel for o in people.opinions()} == {"bird"}
    assert all(o.keep < 0.5 for o in people.opinions())


def test_what_others_call_by_a_name_that_is_no_label_is_none_of_these():
    ids = [f"pool-{i}" for i in range(20)]
    people = jury(dict.fromkeys(ids, ("truck", "truck")), dict.fromkeys(ids, "cat"))

    people.answer(report_of(candidates(ids)), 20)

    assert all(o.relabel is None and o.keep < 0.5 for o in people.opinions())
    assert people.right_answers() == ()


def test_gold_cards_are_no_opinions_but_are_known_to_who_has_the_answers_alone():
    people = jury({"pool-0": ("cat", "cat"), "pool-1": ("cat", "cat")}, dict.fromkeys(
        ("pool-0", "pool-1"), "cat"
    ))  # fmt: skip

    people.answer(report_of(candidates(["pool-0"], "gold")), 1)
    people.answer(report_of(candidates(["pool-1"], "audit")), 2)

    assert [o.sample_id for o in people.opinions()] == ["pool-1"]
    assert set(people.right_answers()) == {("pool-0", "cat"), ("pool-1", "cat")}


def test_what_is_not_drawn_at_random_tells_nothing_of_the_pool():
    ids = [f"pool-{i}" for i in range(20)]
    people = jury(dict.fromkeys(ids, ("bird", "bird")), dict.fromkeys(ids, "cat"))

    people.answer(report_of(candidates(ids[:10])), 10)
    assert people.dirt is None
    people.answer(report_of(candidates(ids[10:], "audit")), 40)

    assert people.dirt.cards == 10
    assert people.dirt.mean > 0.5


# --- what is said of features -------------------------------------------------------------------


def test_five_people_vote_a_planted_feature_down_where_they_see_it():
    cards = [card("cat", ("B2", 0.3), ("A1", 0.2)), card("bird", ("A1", 0.05), ("C3", 0.4))]

    levels = said.against(cards, "A1", 5)
    (opinion,) = said.opinions(levels)

    assert len(levels) == 5
    assert (opinion.label, opinion.feature, opinion.votes) == ("cat", "A1", 5)
    assert opinion.value < -0.5
    assert said.rank_of(cards, "cat", "A1") == 2


def test_what_nobody_planted_is_not_voted_down():
    cards = [card("cat", ("B2", 0.3), ("B3", 0.2))]

    (opinion,) = said.opinions(said.against(cards, "A1", 5))

    assert opinion.feature == "B2"
    assert opinion.value > 0
    assert said.rank_of(cards, "cat", "A1") is None


def test_praise_is_for_what_is_good_wherever_it_is_shown_and_the_rest_matters_somewhat():
    cards = [card("cat", ("A1", 0.3), ("B2", 0.2)), card("bird", ("C3", 0.4), ("A1", 0.1))]

    found = said.opinions(said.praise(cards, ("B2", "C3"), 5))

    value = {(o.label, o.feature): o.value for o in found}
    assert value.keys() == {("cat", "A1"), ("cat", "B2"), ("bird", "C3"), ("bird", "A1")}
    assert min(value["cat", "B2"], value["bird", "C3"]) > 0.85
    assert value["cat", "A1"] == value["bird", "A1"] == pytest.approx(0.5, abs=0.05)
    assert all(o.votes == 5 for o in found)


def test_words_people_marked_matter_and_others_mislead():
    marks = {"happy": {"love": [True] * 9, "the": [False] * 9, "so": [True, False, False] * 20}}
    cards = [card("happy", ("love", 0.3), ("the", 0.2), ("so", 0.1), ("unheard", 0.1))]

    levels = said.by_marks(cards, marks, 40, np.random.default_rng(0))

    by_word = {w: {v for _, word, _, v in levels if word == w} for w in ("love", "the", "so")}
    assert by_word == {
        "love": {said.MATTERS}, "the": {said.MISLEADS},
        "so": {said.MATTERS, said.IDLE, said.MISLEADS},
    }  # fmt: skip
    assert not any(word == "unheard" for _, word, _, _ in levels)
    value = {o.feature: o.value for o in said.opinions(levels)}
    assert value["the"] < 0 < value["so"] < value["love"]


def test_a_shift_is_what_the_share_did_and_whether_people_wanted_that():
    opinions = [
        FeatureOpinion(label="cat", feature="A1", value=-0.9, votes=5),
        FeatureOpinion(label="cat", feature="B2", value=0.9, votes=5),
        FeatureOpinion(label="cat", feature="gone", value=-0.9, votes=5),
    ]
    before, after = {"cat": {"A1": 0.3, "B2": 0.1}}, {"cat": {"A1": 0.1, "B2": 0.05, "gone": 0.1}}

    found = shifts(opinions, before, after)

    assert [(s.feature, s.is_as_said) for s in found] == [("A1", True), ("B2", False)]
    assert shifts_table(found)[1][-2:] == ("30.0 %", "10.0 %")


# --- what the rows come to ----------------------------------------------------------------------


def planted_row(seed, swapped, plain=(0.9, 0.9), train_s=(10.0, 10.0), rank=1):
    looked = {
        name: {
            "accuracy": {"swapped": swapped[i], "plain": plain[i]}, "shares": {"cat": {"A1": 0.2}},
        }
        for i, name in enumerate(("plain", "voted"))
    }  # fmt: skip
    step = {
        name: {"train_s": train_s[i], "samples": 100.0} for i, name in enumerate(("plain", "voted"))
    }
    return {
        "kind": "patch", "seed": seed, "votes": 5, "rank": rank, "step": step,
        "looked": {**looked, "before": looked["plain"]}, "cpu_s": {"plain": 1.0, "voted": 1.0},
        "opinions": [{"label": "cat", "feature": "A1", "value": -0.9, "votes": 5}],
    }  # fmt: skip


def test_votes_against_a_shortcut_are_held_to_the_same_training_without_them():
    rows = [
        planted_row(2, (0.50, 0.60), train_s=(10.0, 10.4)),
        planted_row(3, (0.50, 0.58), plain=(0.9, 0.88), train_s=(10.0, 10.2), rank=3),
    ]

    first, swapped, plain, step = features_summary.section(rows).figures

    assert (first.value, first.holds) == (1.0, False)
    assert swapped.value == pytest.approx(9.0)
    assert plain.value == pytest.approx(-1.0)
    assert step.value == pytest.approx(1.03)


def test_a_planted_feature_on_no_card_is_said_to_be_unseen():
    (note,) = features_summary.section([planted_row(2, (0.5, 0.5), rank=None)]).notes

    assert "on no card in 1 of 1 seeds" in note


def test_praise_is_told_by_what_the_model_leans_on_and_what_that_was_good_for():
    row = planted_row(2, (0.50, 0.55), plain=(0.9, 0.895), train_s=(10.0, 10.2)) | {
        "kind": "middle",
        "rank": None,
        "opinions": [
            {"label": label, "feature": cell, "value": value, "votes": 5}
            for label, cell, value in (
                ("cat", "B2", 0.9),
                ("cat", "C2", 0.9),
                ("cat", "A1", 0.5),
                ("dog", "B2", 0.9),
            )
        ],
    }
    for name, share in (("before", 0.2), ("plain", 0.2), ("voted", 0.3)):
        row["looked"][name] = row["looked"][name] | {
            "shares": {"cat": {"B2": share, "C2": 0.1, "A1": 0.6 - share}, "dog": {"B2": 0.1}}
        }

    found = features_summary.section([row])

    assert [f.value for f in found.figures] == pytest.approx([5.0, 5.0, -0.5, 1.02])
    assert found.tables[0][1][6:9] == ("20.0 %", "20.0 %", "25.0 %")
    assert found.notes == ()


@pytest.mark.parametrize(("is_quick", "said"), [(True, ["not in a quick round"] * 2), (False, [])])
def test_a_quick_round_says_what_it_leaves_out(tmp_path, is_quick, said):
    for files in NEEDS.values():
        for file in files:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
    group = Features(Setting(tmp_path, tmp_path / "bench", (2,), is_quick))

    notes = group.section([]).notes

    assert [note.partition(", ")[2].rstrip(".") for note in notes] == said
    assert {note.partition(":")[0] for note in notes} == (
        {"cos_e", "middle"} if is_quick else set()
    )
    assert len(group.names()) == (3 if is_quick else 5)


def marked_row(kind, accuracy, marked):
    looked = {
        name: {"accuracy": {"plain": accuracy[i]}, "marked": marked[i], "shares": {}}
        for i, name in enumerate(("plain", "voted"))
    }
    return {
        "kind": kind, "seed": 2, "votes": 9, "opinions": [],
        "looked": {**looked, "before": looked["plain"]},
    }  # fmt: skip


def test_what_a_model_leans_on_means_nothing_where_it_is_right_by_chance():
    rows = [
        marked_row("tweets", (0.90, 0.91), (0.36, 0.37)), marked_row("cos_e", (0.51, 0.5), (0.2, 0.3))
    ]  # fmt: skip

    found = features_summary.section(rows)

    assert [said[:6] for said in found.void] == ["cos_e:"]
    assert [f.value for f in found.figures[:2]] == pytest.approx([1.0, 1.0])


def cell(arm, *points, seed=2, recipe="sys", **found):
    """Points: (forwards, accuracy)."""
    curve = [{"forwards": f, "metric": m, "dev": m, "samples": 0, "cpu_s": 1.0} for f, m in points]
    return {
        "cell": "", "recipe": recipe, "seed": seed, "arm": arm, "team": "recorded",
        "votes": images.VOTES, "words": False, "epochs": 3.0, "curve": curve, "people_s": 0.0,
        "samples": 9, "cpu_s": 1.0, "forwards": points[-1][0], **found,
    }  # fmt: skip


def sys_rows(oracle=0.74, alone=0.60):
    return [
        cell("control", (1000, 0.50), (2000, 0.55)), cell("oracle", (2000, oracle)),
        cell("frozen-lr", (100, 0.53), on_right_rows=0.70),
        cell("human", (300, 0.50), (500, 0.70), answers_only=alone, decision="go"),
    ]  # fmt: skip


def test_images_cost_is_counted_to_five_points_over_the_control_from_the_first_look():
    """From (300, .50) to (500, .70) a curve is at .60 after 400 forwards, of 2000."""
    found = {f.name.partition(",")[0]: f for f in images.figures(Results(sys_rows()))}

    assert found["sys: forwards to control + 5"].value == pytest.approx(0.2)
    assert found["sys: 200 answers over control"].value == pytest.approx(15.0)


@pytest.mark.parametrize(
    ("parts", "failed"),
    [({}, []), ({"oracle": 0.72}, ["G0"]), ({"alone": 0.69}, ["G1"])],
    ids=["valid", "nothing to fine-tune", "answers suffice"],
)
def test_a_failed_gate_voids_the_rows_of_images(parts, failed):
    void = images.section(sys_rows(**parts)).void

    assert [said[:2] for said in void] == failed


def test_where_a_perfect_filter_wins_nothing_that_is_said():
    rows = [
        cell("control", (2000, 0.75), recipe="h1"), cell("oracle", (2000, 0.76), recipe="h1"),
        cell("human", (2030, 0.75), recipe="h1", answers_only=0.5, decision="no-go"),
    ]  # fmt: skip

    nothing, stopped = images.section(rows).notes

    assert nothing.startswith("h1: nothing to gain here")
    assert "1 of 1 seeds" in stopped
    cost = [f for f in images.figures(Results(rows)) if f.name.startswith("h1: all forwards")]
    assert [(f.value, f.holds) for f in cost] == [(1.015, True)]


def test_a_report_says_where_the_model_is_kept():
    rows = [{**row, "body": "cache/toy"} for row in sys_rows()]

    assert images.section(rows).notes[-1].endswith("kept in cache/toy")


# --- sheets -------------------------------------------------------------------------------------


def test_sheets_are_read_back_at_the_width_of_a_phone(tmp_path):
    row = read_sheets.measured(tmp_path)

    assert all(figure.holds for figure in read_sheets.section([row]).figures)


def test_a_line_over_a_picture_is_seen(tmp_path):
    picture = read_sheets.made_up(1)
    picture.save(tmp_path / "1.png")
    sheets.contact_sheet([(tmp_path / "1.png", 1, "cat")], tmp_path / "s.png")
    with Image.open(tmp_path / "s.png") as opened:
        sheet = opened.convert("RGB")
    (place,) = read_sheets.thumbnails(sheet)
    ImageDraw.Draw(sheet).line((place[0], place[1] + 100, place[2], place[1] + 100), "black", 3)
    sheet.save(tmp_path / "s.png")

    found = read_sheets._contact(tmp_path / "s.png", [tmp_path / "1.png"], ["cat"])

    assert found["pictures"] == 1
    assert found["untouched"] == 0


def test_letters_that_are_too_small_are_measured_so(tmp_path, monkeypatch):
    font = sheets._font(bold=True)
    small = font.font_variant(size=22)
    monkeypatch.setattr(sheets, "_font", lambda *, bold: small)

    row = read_sheets.measured(tmp_path)

    assert row["contact"]["letters_px"] == pytest.approx(22 * 390 / 1080, rel=0.1)


# --- the whole ----------------------------------------------------------------------------------


async def test_what_lacks_its_data_is_left_out_and_the_report_says_so(tmp_path):
    setting = Setting(tmp_path / "nowhere", tmp_path / "bench", (2,), True)
    done = read_sheets.measured(tmp_path / "sheets")
    setting.folder.mkdir()
    (setting.folder / "cells.jsonl").write_text(json.dumps({"cell": "sheets", **done}) + "\n")

    found = await suite.run(setting, lambda done, total: None)

    assert set(found.setting["skipped"]) >= {"images", "features"}
    assert "cifar10_train_n" in found.setting["skipped"]["images"]
    text = (setting.folder / "report.md").read_text()
    assert "images: not measured, " in text
    assert "## sheets" in text


def test_a_void_report_says_so_in_its_first_line():
    section = Section(void=("G0 fails",), figures=(Figure("gain", 1.0, "points", ">= 8"),))

    text = report.markdown({"images": section}, {}, (2, 3))

    assert text.startswith("**Not valid as it stands: images: G0 fails.**")
    assert "| gain | 1.000 points | >= 8 | **no** |" in text
    assert "Seeds 2, 3." in text


def test_what_is_there_is_not_missing(tmp_path):
    (tmp_path / "a.csv").touch()
    setting = Setting(tmp_path, tmp_path, (0,))

    assert not_there(setting, "a.csv") is None
    assert (
        not_there(setting, "a.csv", "b.csv") == f"b.csv not found in {tmp_path}; give --data FOLDER"
    )

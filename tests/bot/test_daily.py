"""A day of energy in words: it adds up, and every number carries its unit, its ± and its label."""

import math
import re
from dataclasses import replace
from datetime import date, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot import words
from bot.cards import head
from bot.days import LocalDay
from bot.energy import daily, foresight, joules
from bot.energy.breakeven import BreakEven
from bot.energy.costs import Account, Costs, Place
from bot.energy.daily import DayBook, RunDay
from bot.energy.effort import People
from bot.energy.foresight import Band, Outlook
from bot.energy.grid import Grid
from bot.energy.prices import Prices
from bot.messages import decided
from bot.pictures import metric_over_energy
from bot.report import comparison_report, curves, run_report, table
from bot.verdict import verdict
from bot.worth import Effort, Forecast, decide
from storage import energy
from storage.models import PHASES, PROVENANCE_WORDS, EnergyBaseline, EnergyMinute, EnergySum, Run
from tests.bot.cards import T0
from tests.bot.test_report import TERMS, arm, record
from tests.bot.test_worth import DIRTY
from trainer.spec import RunSpec

BERLIN = ZoneInfo("Europe/Berlin")
DAY = LocalDay(date(2026, 11, 21), BERLIN)
GERMANY = Grid(380.95, 2023, "Germany", "DEU", "CodeCarbon 3.3.2")
PRICED = Place(Prices("EUR", 0.3, 40.0, 2.5), 30.0, GERMANY, 1.2)
BARE = Place(Prices(), 30.0)
NOBODY = People.assumed(0, 8.0)
VOTED = People(86, 5, 690.0, 80, 6.2, 6, 8.0)

ENERGY = re.compile(r"(≈ )?(?<![\w.])(\d+(?:\.\d+)?) (kWh|Wh|J)\b( ±\d+(?:\.\d+)?)?")
CO2E = re.compile(r"\d (?:kg|g) CO2e\b( ±\d)?")
LABELS = ("measured", "estimated", "assumed", "nothing booked", "≈")


def part(joules_=3.6e6, provenance="M-ctr", phase="train", arm="human", device="GPU-1", **changes):
    values = {
        "arm": arm, "phase": phase, "device": device, "source": f"{device} {provenance}",
        "provenance": provenance, "energy_j": joules_, "duration_s": 60.0,
    }  # fmt: skip
    return EnergySum(**(values | changes))


def run(number=1, name="banking"):
    return Run(
        run_id=f"r{number}", name=name, spec={"task": "text-classification"}, seed=0,
        state="finished", folder="/runs", created_by="web:ana", created_at=T0,
    )  # fmt: skip


def book(runs=(), loose=(), place=BARE, people=NOBODY, **changes):
    days = [RunDay(run(n), own) for n, own in enumerate(runs, 1)]
    return DayBook(day=DAY, runs=days, people=people, loose=list(loose), place=place, **changes)


provenances = st.sampled_from(sorted(PROVENANCE_WORDS))
amounts = st.just(0.0) | st.floats(0.1, 1e8)
own_parts = st.lists(
    st.builds(
        part,
        amounts,
        provenances,
        st.sampled_from(PHASES),
        st.sampled_from(["human", "control", "no_votes", None]),
        st.sampled_from(["GPU-1a2b3c4d-5e6f", "cpu-package-0", "cpu-estimate", "ram"]),
    ),
    min_size=1,
    max_size=6,
)
books = st.builds(
    book,
    st.lists(own_parts, max_size=8),
    st.lists(
        st.builds(part, amounts, provenances, st.sampled_from(["bot", "other"]), st.none()),
        max_size=3,
    ),
    st.sampled_from([PRICED, BARE]),
    st.sampled_from([NOBODY, VOTED, People.assumed(7, 8.0)]),
    before=st.lists(
        st.none() | st.builds(lambda j: energy.total([part(j)]), st.floats(1, 1e7)),
        min_size=7,
        max_size=7,
    ),
)


# --- every number -------------------------------------------------------------------------------


def check(text):
    """Every energy has its unit and ±, and every line with one says how it is known."""
    for line in text.splitlines():
        found = ENERGY.findall(line)
        for _, number, unit, u in found:
            assert u, f"{number} {unit} has no ± in: {line}"
        assert not found or any(label in line for label in LABELS), f"not labelled: {line}"
        for u in CO2E.findall(line):
            assert u, f"CO2e without ± in: {line}"
    return text


@settings(deadline=None)
@given(books)
def test_every_number_of_a_day_has_its_unit_its_interval_and_its_label(day):
    shown = daily.card(day, None)
    chart = daily.chart(day)

    for line in (*shown.lines, shown.title, *(note for _, _, note in shown.bars)):
        check(line)
    check(daily.text(day))
    check(daily.details(day))
    check(daily.alt(day))
    check(daily.quiet_line(day))
    check(chart["title"])
    for row in chart["arms"]:
        check(row["said"])
    check(daily.week([(DAY, day.total), (DAY.before(1), None)]))


@settings(deadline=None)
@given(own_parts, st.sampled_from([PRICED, BARE]), st.floats(0, 1e4), st.floats(0, 50))
def test_every_number_of_a_run_has_its_unit_its_interval_and_its_label(parts, place, watts, sd):
    baselines = [
        EnergyBaseline(
            run_id="r1",
            source=p.source,
            device=p.device,
            power_w=watts,
            sd_w=sd,
            window_s=60,
            at=T0,
        )
        for p in parts
    ]
    costs = Costs.of(parts, VOTED, place)

    check(joules.run_said(Account(run(), parts, baselines, costs)))
    for saved_j in (0.3 * costs.total.energy_j, -1.0):
        even = BreakEven(saved_j, costs.total, VOTED, costs.device_j, place.prices)
        check("\n".join(even.said()))


@pytest.mark.parametrize("provenance", ["M-ctr", "E-tdp"])
@pytest.mark.parametrize("value", ["machine-energy", "energy-with-devices", "money"])
def test_every_number_of_a_report_has_its_unit_and_its_interval(provenance, value):
    arms = [
        arm("human", [(0, 100, 0.6), (10, 300, 0.8)], 300, provenance),
        arm("control", [(0, 100, 0.5), (10, 400, 0.7)], 400, provenance),
        arm("no_votes", [(0, 100, 0.6), (10, 300, 0.75)], 300, provenance),
    ]
    told = replace(record(*arms, value=value), place=PRICED)
    reports = [run_report(told)] * 3

    said = [*verdict(told), *comparison_report(reports)["verdict"]]
    said += [cell for row in (*table(reports[0]), *curves(reports[0])) for cell in row]
    for text in said:
        for _, number, unit, u in ENERGY.findall(text):
            is_mean = "95 % CI" in text  # of the pairs: its interval is theirs
            assert u or is_mean, f"{number} {unit} has no ± in: {text}"
            assert provenance == "M-ctr" or "≈" in text or "estimated" in text
    assert "estimated" in metric_over_energy(reports[0], "t")["x_label"] or provenance == "M-ctr"


@pytest.mark.parametrize("is_estimated", [True, False])
def test_a_forecast_carries_its_interval_and_its_label(is_estimated):
    outlook = Outlook(Band(4000.0, 3000.0, 5000.0), Band(60.0, 50.0, 70.0))

    assert ENERGY.search(check(foresight.said(outlook, is_estimated=is_estimated)))


@settings(deadline=None)
@given(own_parts)
def test_a_runs_first_message_shows_no_bare_number(parts):
    shown = [(name, 0.5, words.energy_total(t)) for name, t in energy.by_arm(parts).items()]
    spec = RunSpec.model_validate({"name": "n", "model": "toy", "data": {"pool": "csv:x.csv"}})

    for _, _, note in head(run(), spec, shown, "Training.", (), ()).bars:
        assert ENERGY.search(check(note))


def test_what_asking_should_bring_is_called_an_estimate():
    effort = Effort.of(60, 2, TERMS, wait_w=5.0, wait_s=10.0)
    for value in ("machine-energy", "energy-with-devices"):
        terms = replace(TERMS, value=value)
        found = decide(DIRTY, terms, effort, Forecast(400e6, 300e6, 5.0), epochs=3)
        assert ENERGY.search(check(decided(found)))


def test_a_number_without_its_interval_would_be_found():
    with pytest.raises(AssertionError, match="has no ±"):
        check("train 0.412 kWh (measured)")
    with pytest.raises(AssertionError, match="not labelled"):
        check("train 0.412 kWh ±0.02")


# --- it adds up ---------------------------------------------------------------------------------


def rounding(text):
    """Half of the last digit that a number is shown with."""
    return 0.5 * 10 ** -len(text.partition(".")[2])


@settings(deadline=None)
@given(books)
@example(book([[part(1.0, arm=f"arm{n}") for n in range(20)]]))
def test_what_is_shown_of_a_day_adds_up_to_its_total(day):
    """The bars' numbers as people read them, against the title's, to the digits shown."""
    shown = daily.card(day, None)
    numbers = [ENERGY.search(note).group(2, 3) for _, _, note in shown.bars]
    whole, unit = ENERGY.search(shown.title).group(2, 3)

    assert {u for _, u in numbers} <= {unit}
    off = abs(sum(float(n) for n, _ in numbers) - float(whole))
    assert off <= sum(rounding(n) for n, _ in numbers) + rounding(whole) + 1e-9
    assert sum(t.energy_j for _, t in daily.shares(day)) == pytest.approx(day.total.energy_j)


@settings(deadline=None)
@given(books)
def test_the_charts_phases_add_up_to_the_day_too(day):
    chart = daily.chart(day)

    unit = words.unit_for([day.total.energy_j])
    phases = sum(sum(row["phases"].values()) for row in chart["arms"])
    assert phases * unit.size_j == pytest.approx(day.total.energy_j)
    assert len(chart["days"]) == 8


# --- what is said -------------------------------------------------------------------------------


def test_a_day_is_told_with_its_costs_and_its_change():
    """1 kWh measured; PUE 1.2 and 690 s x 30 W of devices = 5.75 Wh; a mean of .8 kWh before."""
    before = [None, *[energy.total([part(0.8 * 3.6e6)])] * 6]
    day = book([[part()]], place=PRICED, people=VOTED, before=before)

    said = daily.text(day)

    assert "Energy, Sat 21 Nov 2026" in said
    assert "Energy, Sat 21 Nov 2026: 1.000 kWh ±0.050 (measured)" in said
    assert "+25% against the mean of the 6 of 7 days before that had any." in said
    grams = (1.2 + 0.00575) * 380.95
    assert f"{grams / 1000:.3f} kg CO2e" in said
    assert "PUE 1.2" in said
    assert "381 g/kWh (Germany, 2023 average, location-based)" in said
    assert "electricity 0.30 EUR ±0.02, GPU time 0.04 EUR, people's time 7.67 EUR" in said
    guessed = daily.text(book([[part(36e6, "E-tdp")]], place=PRICED))
    assert "electricity ≈ 3.00 EUR ±1.50 (estimated)" in guessed


def test_without_country_and_prices_neither_carbon_nor_cost_is_mentioned():
    said = daily.text(book([[part()]], people=VOTED))

    assert "CO2e" not in said
    assert "EUR" not in said
    assert Costs.of([part()], VOTED, BARE).as_json() == {"carbon": None, "cost": None}


def test_a_building_that_adds_nothing_known_is_said_not_to_be_applied():
    place = Place(Prices(), 30.0, GERMANY)

    assert "PUE not applied" in daily.text(book([[part()]], place=place))


def test_waiting_and_idle_machines_stand_apart():
    """Two sources over the same hour are an hour, not two; what nobody pays is in no total."""
    waits = [
        part(720.0, "E-const", "wait", device="ram", duration_s=3600.0),
        part(360.0, "E-tdp", "wait", device="cpu", duration_s=3600.0),
    ]
    nobodys = [
        part(7200.0, phase="other", arm=None, duration_s=60.0),
        part(3600.0, phase="wait", arm=None, duration_s=3600.0),
    ]
    day = book([[part(), *waits]], nobodys, place=PRICED)
    without = book([[part(), *waits]], place=PRICED)

    said = daily.details(day)

    assert "Waiting for votes or cleaner electricity: 1 h, no training process: ≈ 0.00030" in said
    assert "what the machines drew meanwhile is on no run: 0.001000 kWh ±0.000050 (meas" in said
    assert "On no run, so in no total: 3.00 Wh ±0.15 (measured), by machines that idle" in (
        check(daily.text(day))
    )
    assert day.total == without.total
    assert day.costs == without.costs
    assert dict(daily.shares(day)) == dict(daily.shares(without))


def test_gaps_are_warned_of_and_listed_in_the_thread():
    """What is alike is one line; two sources in one minute are one minute."""
    marks = [mark(n, note="the counter was reset", unknown_s=1.0) for n in range(1, 7)]
    marks += [mark(0), mark(1, provenance="E-gap", note="filled"), *map(different, range(10, 14))]
    day = book([[part()]], remarks=sorted(marks, key=lambda m: m.minute))

    assert "⚠ 11 minutes with gaps or anomalies, first at 14:00, GPU-1a2b3c4d…" in daily.text(day)
    details = daily.details(day)
    assert "⚠ 6 minutes from 14:01 to 14:06, GPU-1a2b3c4d…: the counter was reset" in details
    assert "⚠ and 2 more" in details


def test_boards_of_many_are_noted_and_no_fault_that_hides_others():
    marks = [mark(n, provenance="A", note="shared board") for n in range(600)]
    marks.append(mark(601, note="the counter was reset", unknown_s=1.0))
    day = book([[part()]], remarks=marks)

    assert "⚠ 1 minute with gaps or anomalies, first at 00:01" in daily.text(day)
    assert "Note: 600 minutes from 14:00 to 23:59, GPU-1a2b3c4d…: shared board" in (
        daily.details(day)
    )


def mark(n, provenance="E-gap", **changes):
    """A minute from 14:00 on with something to remark upon."""
    return EnergyMinute(
        minute=DAY.start + timedelta(hours=14, minutes=n), run_id="r1", arm="human",
        phase="train", device="GPU-1a2b3c4d-5e6f-7a8b", source="nvml", provenance=provenance,
        energy_j=1.0, duration_s=21.0, **changes,
    )  # fmt: skip


def different(n):
    return mark(n, note=f"the power was not sampled for {n} s")


@pytest.mark.parametrize(
    ("energy_j", "said"),
    [(108_000.0, "no runs; the bot itself ≈ 30 Wh ±15 (estimated)."), (3600.0, "")],
    ids=["worth a line", "not worth a line"],
)
def test_a_day_without_runs_is_one_line_at_most(energy_j, said):
    day = book((), [part(energy_j, "E-tdp", "bot", None, "cpu")])

    assert daily.quiet_line(day).endswith(said)
    assert bool(daily.quiet_line(day)) is bool(said)


def test_a_quiet_day_blames_the_bot_for_nothing_that_machines_idled_away():
    """A board that idles all day at 50 W is no reason to speak, and not the bot's where it does."""
    idle = part(50.0 * 86_400, "M-ctr", "other", None)
    bot = part(108_000.0, "E-tdp", "bot", None, "cpu")

    assert daily.quiet_line(book((), [idle])) == ""
    said = check(daily.quiet_line(book((), [idle, bot])))
    assert "the bot itself ≈ 30 Wh ±15 (estimated). On no run" in said
    assert "1.200 kWh ±0.060 (measured), by machines that idle" in said


def test_a_late_summary_and_a_day_under_way_say_so():
    assert "21 Nov 2026 (late):" in daily.card(book([[part()]], is_late=True), None).title
    before = [energy.total([part()])] * 7
    today = daily.card(book([[part(1e5)]], is_over=False, before=before), None)
    assert ", so far" in today.title
    assert "against the mean" not in " ".join(today.lines), "half a day against whole ones"


def test_what_could_not_be_read_at_all_is_not_known_and_not_nothing():
    """Neither its joules, nor its grams and its money; a second that was read makes it a number."""
    silent = [part(0.0, unknown_s=60.0)]
    day = book([silent], place=PRICED)

    said = daily.text(day) + joules.run_said(Account(run(), silent, [], day.costs))

    assert "not known (1 min without a reading)" in said
    assert "no reading" in said
    assert not ENERGY.search(said)
    assert daily.change_said(day.total, [energy.total([part()])] * 7) == ""
    assert "CO2e" not in said
    assert "electricity" not in said
    heard = book([[part(0.0, unknown_s=59.0)]], place=PRICED)
    assert "0 J ±0 (measured), 59 s not known" in daily.text(heard)


def test_a_weeks_sum_is_labelled_like_its_days():
    guessed = energy.total([part(3.6e6, "E-tdp")])

    assert daily.week([(DAY, guessed)]).endswith("Together ≈ 1.00 kWh ±0.50 (estimated)")


def ended(ratio_j, n=1):
    human = arm("human", [(0, 1, 0.1), (10, ratio_j, 0.7)], ratio_j, "M-ctr")
    control = arm("control", [(0, 100, 0.5), (10, 400, 0.7)], 400, "M-ctr")
    return RunDay(run(n), [part()], run_report(record(human, control)))


def test_a_pair_that_ended_has_no_interval_and_three_have_one():
    one = daily.compared(DayBook(DAY, [ended(300)], NOBODY, [], BARE))
    three = daily.compared(
        DayBook(DAY, [ended(300), ended(200, 2), ended(280, 3)], NOBODY, [], BARE)
    )

    assert "one pair, no interval" in one[0]
    assert "By quality at equal energy" in one[1]
    assert "95 % CI" in three[0]
    assert "votes saved energy" in three[0]


def test_arms_metered_by_different_sources_are_not_compared():
    human = arm("human", [(0, 100, 0.6), (10, 200, 0.8)], 200, "E-tdp")
    control = arm("control", [(0, 100, 0.5), (10, 400, 0.7)], 400, "M-ctr")
    told = record(human, control)
    report = run_report(told)

    assert {v["pays"] for v in report["verdicts"].values()} == {None}
    assert "come from other sources" in report["verdicts"]["machine-energy"]["why"]
    assert "was metered by other sources" in "\n".join(report["verdict"])
    assert report["break_even"] is None
    assert "so no saving is claimed" in comparison_report([report] * 3)["verdict"][-1]


def test_what_a_run_took_above_idle_and_of_its_budget_stands_in_the_thread():
    """60 s at 12 kW of idle are 0.2 of the 1 kWh."""
    idle = EnergyBaseline(
        run_id="r1",
        source="GPU-1 M-ctr",
        device="GPU-1",
        power_w=12e3,
        sd_w=0.0,
        window_s=60,
        at=T0,
    )
    one = RunDay(run(), [part()], None, [idle], "82 % of the budget of 0.5kWh is used")

    said = daily.details(DayBook(DAY, [one], NOBODY, [], BARE))

    assert "r1, Net of idle: 0.800 kWh ±0.040 (measured)." in check(said)
    assert "r1: 82 % of the budget of 0.5kWh is used" in said


def test_a_report_says_what_the_arms_took_above_idle():
    idle = EnergyBaseline(
        run_id="r1", source="cpu-time", device="cpu", power_w=100.0, sd_w=0.0, window_s=60, at=T0
    )
    human = arm("human", [(0, 100, 0.6), (10, 300, 0.8)], 300, "M-ctr")
    control = arm("control", [(0, 100, 0.5), (10, 400, 0.7)], 400, "M-ctr")

    told = verdict(replace(record(human, control), baselines=[idle]))

    assert "Net of idle: with your votes 200 J ±10 (measured); control" in "\n".join(told)


def test_net_below_idle_is_said():
    baselines = [
        EnergyBaseline(
            run_id="r1", source="GPU-1 M-ctr", device="GPU-1", power_w=1e6, sd_w=0.0,
            window_s=60.0, at=T0,
        )
    ]  # fmt: skip
    found = energy.net([part()], baselines)

    said = joules.net_said(found, energy.total([part()]), words.UNITS[0])

    assert "GPU-1 drew less than when idle before, counted as 0" in said
    assert math.isclose(found.energy_j, 0.0)

"""Whether asking people is worth it: an audit before any expensive work, then ballot by ballot.

What counts as a gain is what the team stated (`value` in its spec). The figures behind the
constants were measured with simulated voters, on dirty banking77 (encoder of 22 M weights) where
nothing else is said: they are rules of thumb, and what is said in chat says so. Pure.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from bot import metrics, words
from bot.dirt import Dirt
from bot.energy.prices import Prices
from bot.history import is_of
from bot.thumbs import THUMBS, Thumb
from storage import energy
from storage.models import EnergySum, Round
from trainer.kinds import Kind
from trainer.segment import SegmentReport
from trainer.spec import Value

MIN_GAIN_PER_100 = 1.0
"""Points, or percent of perplexity, that 100 cards must promise; less would be lost in the noise of
any test."""
MAX_RATIO = 0.8
"""Above this predicted ratio of energies a gain is not promised; the forecast is no better."""
TRAINED_COST = 2.9
"""What training on a sample costs, in forwards of one; in bfloat16."""


# --- what does it cost, what does it bring? -----------------------------------------------------


@dataclass(frozen=True, slots=True)
class Terms:
    """What a team wants of its votes, and what it pays for them."""

    value: Value
    later_runs: int
    seconds_per_vote: float
    device_w: float
    prices: Prices
    kind: Kind  # what quality is measured by

    @property
    def thumb(self) -> Thumb:
        """The rules of thumb that hold."""
        return THUMBS[self.kind.asks]


@dataclass(frozen=True, slots=True)
class Effort:
    """What asking costs: people's time and devices, and the machine that waits for them."""

    cards: int
    people_s: float
    device_j: float
    wait_j: float = 0.0

    @classmethod
    def of(cls, cards: int, quorum: int, terms: Terms, *, wait_w: float, wait_s: float) -> Effort:
        """Of some cards with `quorum` votes each, while the machine idles for `wait_s` seconds."""
        people_s = cards * quorum * terms.seconds_per_vote
        return cls(cards, people_s, people_s * terms.device_w, wait_w * wait_s)


def unit_of(value: Value, terms: Terms) -> str:
    """The unit an objective is counted in."""
    if value == "quality-at-equal-energy":
        return metrics.unit(terms.kind)
    return terms.prices.currency if value == "money" else "J"


def net(
    value: Value,
    terms: Terms,
    effort: Effort,
    *,
    quality: float | None,
    saved_j: float | None,
    gpu_s_per_j: float = 0.0,
) -> float | None:
    """The gain under an objective, in its unit; None when what it rests on is not known.

    Args:
        value: the objective.
        terms: prices.
        effort: what asking costs.
        quality: gained at equal energy, see `bot.metrics.gain`.
        saved_j: machine energy saved, in this run and in later ones.
        gpu_s_per_j: GPU time that comes with a joule, where GPUs are rented.
    """
    if value == "quality-at-equal-energy":
        return quality
    if saved_j is None:
        return None
    saved_j -= effort.wait_j
    if value == "machine-energy":
        return saved_j
    if value == "energy-with-devices":
        return saved_j - effort.device_j
    if terms.prices.missing:
        return None
    saved = terms.prices.machine(saved_j, saved_j * gpu_s_per_j)
    return saved - terms.prices.labour(effort.people_s)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What the machine will spend, from what it spent; None where nothing could be read.

    Attributes:
        control_j: a whole run without people. Evaluations are left out: all arms have the same.
        left_j: training that is left in this one.
        wait_w: while people think.
        gpu_s_per_j: GPU time that comes with a joule.
    """

    control_j: float | None
    left_j: float | None
    wait_w: float
    gpu_s_per_j: float = 0.0


def forecast(parts: Iterable[EnergySum], arm: str, reports: Sequence[SegmentReport]) -> Forecast:
    """The forecast for an arm after some segments; good to a factor of two before any training."""
    own = [part for part in parts if is_of(part, arm)]
    spent: dict[str, float] = defaultdict(float)
    for part in own:
        spent[part.phase] += part.energy_j
    waits = [p for p in own if p.phase == "wait" and p.duration_s > 0]
    wait_w = sum(p.energy_j / p.duration_s for p in waits)
    planned = max((r.planned_samples for r in reports), default=0)
    trained = sum(r.samples_trained for r in reports)
    forwards = sum(r.samples_scored for r in reports)
    if trained and spent["train"] > 0:
        per_sample = spent["train"] / trained
    elif forwards and spent["score"] > 0:
        per_sample = TRAINED_COST * spent["score"] / forwards
    else:
        return Forecast(None, None, wait_w)
    gpu = energy.gpu_s_per_j(own)
    control_j = spent["load"] + spent["score"] + planned * per_sample
    return Forecast(control_j, max(0, planned - trained) * per_sample, wait_w, gpu)


def predicted_ratio(
    epochs: float, clean: float, train_ratio: float, scored: float = 1.0, scorer: float = 1.0
) -> float:
    """Machine energy to the control's metric over all the control's, as far as it can be foretold.

    Args:
        epochs: of the control.
        clean: share of the pool that is, in [0, 1].
        train_ratio: see `Thumb`.
        scored: share of the pool that is embedded.
        scorer: what a forward of the embedding model costs, in forwards of the trained one.
    """
    return scorer / (2.2 * epochs) * scored + train_ratio * clean


# --- decisions ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether people are asked on; kept in its round's outcome under `decision`.

    Attributes:
        kind: after the audit, or before a ballot.
        go: ask on.
        why: in one or two plain sentences.
        gain: what asking on should bring, in `unit`; None when that is not known.
        dirt: what the audit found; None where it could tell nothing.
        cards: that it is about: all that are still planned, or the ballot's, or another audit's.
        is_again: it settled nothing, so as many random cards are asked once more.
    """

    kind: Literal["audit", "ballot"]
    go: bool
    why: str
    gain: float | None = None
    unit: str = ""
    dirt: Dirt | None = None
    cards: int = 0
    is_again: bool = False

    def as_json(self) -> dict[str, Any]:
        """As it is stored."""
        return asdict(self)


def decide(
    dirt: Dirt | None,
    terms: Terms,
    effort: Effort,
    machine: Forecast,
    *,
    epochs: float,
    scored: float = 1.0,
    again: int = 0,
) -> Decision:
    """Go or no-go after the audit, or another one.

    Only what lies ahead counts: the audit's own cost is spent either way.

    Args:
        dirt: what the audit found; None = too few answered.
        terms: the objective and the prices.
        effort: what all the questions cost that are still planned.
        machine: what the run without people costs.
        epochs: of the control.
        scored: share of the pool that was embedded for the audit.
        again: cards of another audit, where this one settles nothing; 0 = there is none.
    """
    unit, cards, thumb = unit_of(terms.value, terms), effort.cards, terms.thumb
    if dirt is None:
        why = "Too few answers to tell how dirty the pool is."
        return Decision("audit", True, why, None, unit, cards=cards)
    share = (
        f"About {dirt.mean:.0%} of the pool looks wrong (likely {dirt.low:.0%} to {dirt.high:.0%}, "
        f"from {words.plural(dirt.cards, 'random card')})."
    )
    verdict = dirt.verdict(thumb.go_above, is_last=not again)
    if verdict == "again":
        why = f"{share} That may be more than {thumb.go_above:.0%}, where asking begins to pay, or less."
        return Decision("audit", True, why, None, unit, dirt, again, is_again=True)
    if verdict == "no-go":
        why = f"{share} That is not surely above {thumb.go_above:.0%}, where asking begins to pay."
        return Decision("audit", False, why, None, unit, dirt, cards)
    ratio = predicted_ratio(epochs, 1 - dirt.mean, thumb.train_ratio, scored)
    is_about_energy = terms.value != "quality-at-equal-energy"
    if is_about_energy and ratio >= MAX_RATIO and not terms.later_runs:
        why = (
            f"{share} But in {epochs:g} epochs reading the whole pool to choose from it costs about "
            f"what that saves (predicted: {ratio:.0%} of the energy without you)."
        )
        return Decision("audit", False, why, None, unit, dirt, cards)
    quality = thumb.over_alone * dirt.mean
    saved_j = None
    if machine.control_j is not None:
        later = terms.later_runs * (1 - thumb.train_ratio * (1 - dirt.mean))
        saved_j = machine.control_j * (1 - ratio + later)
    gain = net(
        terms.value, terms, effort, quality=quality, saved_j=saved_j,
        gpu_s_per_j=machine.gpu_s_per_j,
    )  # fmt: skip
    go = _pays(terms, effort, gain)
    why = f"{share} {_balance(terms, effort, gain, go)}"
    return Decision("audit", go, why, gain, unit, dirt, cards)


def as_it_came(
    impurity: float | None, after: float | None, earlier: Sequence[tuple[float, float]]
) -> float | None:
    """The dirt expected after a ballot, by what earlier ballots cleared beside what was promised.

    A promise takes for granted what the model of the votes is like; but it learns from each ballot
    what tells good from bad, and how far people can be trusted, so mostly more is cleared. The
    promise itself counts as one ballot that cleared what it promised.

    Args:
        impurity: expected share of dirt in what is trained on now; None = not known.
        after: the same after the ballot, as promised; None = not known.
        earlier: (promised, cleared) of each ballot before, as shares of dirt.
    """
    if impurity is None or after is None:
        return after
    promise = max(0.0, impurity - after)
    promised = promise + sum(max(0.0, p) for p, _ in earlier)
    cleared = promise + sum(c for _, c in earlier)
    if promised == 0:
        return after
    return min(impurity, max(0.0, impurity - promise * cleared / promised))


def next_ballot(
    impurity: float | None, after: float | None, terms: Terms, effort: Effort, machine: Forecast
) -> Decision:
    """Whether the next ballot is asked: what it should bring against what it costs.

    A share x of dirt in what is trained on wastes at least the share x of the joules.

    Args:
        impurity: expected share of dirt in what is trained on now; None = not known.
        after: the same after the ballot; None = not known.
        terms: the objective and the prices.
        effort: what the ballot costs.
        machine: what the run costs.
    """
    unit = unit_of(terms.value, terms)
    if impurity is None or after is None:
        why = "What another ballot brings is not known."
        return Decision("ballot", True, why, None, unit, cards=effort.cards)
    cleared = max(0.0, impurity - after)
    saved_j = None
    if machine.control_j is not None and machine.left_j is not None:
        saved_j = cleared * (machine.left_j + terms.later_runs * machine.control_j)
    quality = terms.thumb.per_dirt * cleared
    gain = net(
        terms.value, terms, effort, quality=quality, saved_j=saved_j,
        gpu_s_per_j=machine.gpu_s_per_j,
    )  # fmt: skip
    go = _pays(terms, effort, gain)
    why = (
        f"{words.plural(effort.cards, 'more card')} should lower the dirt in what is trained on "
        f"from {impurity:.1%} to {impurity - cleared:.1%}. {_balance(terms, effort, gain, go)}"
    )
    return Decision("ballot", go, why, gain, unit, cards=effort.cards)


def _pays(terms: Terms, effort: Effort, gain: float | None) -> bool:
    """Whether a gain is one; what is not known stops nobody."""
    if gain is None or effort.cards == 0:
        return True
    if terms.value == "quality-at-equal-energy":
        return gain >= MIN_GAIN_PER_100 * effort.cards / 100
    return gain > 0


def _balance(terms: Terms, effort: Effort, gain: float | None, go: bool) -> str:
    """The gain in words, by the stated objective."""
    if gain is None:
        return "What that is worth cannot be told on this machine."
    if terms.value == "quality-at-equal-energy":
        is_perplexity = terms.kind.metric == "perplexity"
        worth = metrics.promised(gain, terms.kind)
        text = f"By rule of thumb your help is worth {worth} at equal energy"
        least = f"{MIN_GAIN_PER_100:.0f} {'%' if is_perplexity else 'point'} per 100 cards"
        return f"{text}." if go else f"{text}, less than the {least} your time should bring."
    verb = "gain" if gain > 0 else "lose"
    amount = amount_said(terms, abs(gain))
    people = f"{words.duration(effort.people_s)} of people's time"
    counted = {
        "machine-energy": " of machine energy, waiting included",
        "energy-with-devices": ", with voters' devices counted",
        "money": f", with {people} counted",
    }
    return f"Asking on should {verb} {amount}{counted[terms.value]}."


def amount_said(terms: Terms, amount: float) -> str:
    """An amount that is expected, in money or energy as the stated objective counts it."""
    if terms.value == "money":
        return terms.prices.said(amount)
    return f"{words.energy(amount, FORECAST_U * amount)} (estimated)"


FORECAST_U = 0.5
"""Half-width of what is expected, as a share of it: forecasts before training are off by that much."""


def decisions(rounds: Iterable[Round]) -> list[Mapping[str, Any]]:
    """What was decided so far, oldest first."""
    return [r.outcome["decision"] for r in rounds if r.outcome and "decision" in r.outcome]


def asks_no_more(rounds: Iterable[Round]) -> bool:
    """Whether it was decided that asking on does not pay."""
    return any(not decision["go"] for decision in decisions(rounds))


def audits(rounds: Iterable[Round]) -> int:
    """How many audits there are: one, and another where the first settled nothing."""
    return 1 + sum(bool(d.get("is_again")) for d in decisions(rounds))


def is_like_control(rounds: Iterable[Round]) -> bool:
    """Whether the audit said that the pool is to stay as it is, so votes change nothing."""
    return any(d["kind"] == "audit" and not d["go"] for d in decisions(rounds))

"""The benchmark of the books: it sees a summary that does not add up."""

import random

from bot.bench.energy import accounting
from bot.energy import daily


def test_a_summary_that_adds_up_is_off_by_no_more_than_rounding():
    rng = random.Random(1)

    for _ in range(20):
        assert accounting.beyond_rounding(daily.card(accounting._random(rng), None)) == 0


def test_one_that_hides_an_arm_is_seen():
    card = daily.card(accounting._random(random.Random(1)), None)
    hidden = card.model_copy(update={"bars": card.bars[1:]})

    assert accounting.beyond_rounding(hidden) > 0


async def test_a_quick_round_measures_all_but_what_takes_a_whole_day_of_rows():
    build, write, left, off = await accounting.figures(quick=True)

    assert build.value > 0
    assert write.value > 0
    assert left.value is None
    assert off.holds

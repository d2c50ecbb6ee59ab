"""A clock, a sink and a driver for the meter's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.trainer.energy.meters import Shelf
from trainer.energy.fake_nvml import (
    Board,
    Clock,
    FakeNvml,
    installed,
)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def driver(clock) -> Iterator[FakeNvml]:
    with installed(FakeNvml(clock, [Board("GPU-1")])) as fake:
        yield fake

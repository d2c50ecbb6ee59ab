"""Where and how precisely a child computes."""

from __future__ import annotations

import os

import pytest
import torch

from trainer.compute import set_up, usable_cores
from trainer.spec import TrainSpec

cpu_only = pytest.mark.skipif(torch.cuda.is_available(), reason="this host has a GPU")


@pytest.mark.parametrize(
    ("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_the_precision_is_the_one_the_spec_names(precision, dtype):
    compute = set_up(TrainSpec(precision=precision, threads=1))

    with compute.autocast():
        product = torch.ones(2, 2, device=compute.device) @ torch.ones(2, 2, device=compute.device)
    assert compute.dtype == dtype
    assert product.dtype == dtype


def test_auto_takes_bfloat16_only_where_the_hardware_has_it():
    compute = set_up(TrainSpec(precision="auto", threads=1))

    assert compute.dtype in (torch.float32, torch.bfloat16)
    if not torch.cuda.is_available() and torch.backends.cpu.get_cpu_capability() == "DEFAULT":
        assert compute.dtype == torch.float32


@cpu_only
def test_without_a_gpu_the_cpu_computes():
    assert set_up(TrainSpec(threads=1)).device == torch.device("cpu")


def test_threads_are_those_of_the_spec_or_all_that_may_be_used():
    before = torch.get_num_threads()
    try:
        set_up(TrainSpec(threads=1))
        assert torch.get_num_threads() == 1
        set_up(TrainSpec(threads="auto"))
        assert torch.get_num_threads() == usable_cores()
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this platform")
def test_cores_that_others_have_are_not_counted():
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_cores() == len(allowed)

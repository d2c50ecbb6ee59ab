"""Where and how precisely a child computes."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
from threadpoolctl import threadpool_limits

from trainer.spec import TrainSpec


@dataclass(frozen=True, slots=True)
class Compute:
    """Device and precision of one child; the same for all segments of a run on one machine."""

    device: torch.device
    dtype: torch.dtype  # of matrix products and cached hidden states; weights stay float32

    def autocast(self) -> torch.autocast:
        """The context matrix products run in."""
        return torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.dtype == torch.bfloat16
        )


def set_up(train: TrainSpec) -> Compute:
    """The device and precision a spec asks for; sets the number of CPU threads."""
    threads = usable_cores() if train.threads == "auto" else train.threads
    torch.set_num_threads(threads)
    # numpy's own pool: here its threads mostly spin, twice the CPU time for the same votes
    threadpool_limits(limits=1, user_api="blas")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if train.precision == "auto":
        use_bfloat16 = computes_bfloat16(device)
    else:
        use_bfloat16 = train.precision == "bfloat16"
    return Compute(device, torch.bfloat16 if use_bfloat16 else torch.float32)


def usable_cores() -> int:
    """Cores this process may use; containers and batch systems often grant fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def computes_bfloat16(device: torch.device) -> bool:
    """True where the hardware has bfloat16 products; elsewhere they are emulated and slower."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities = torch.backends.cpu.get_cpu_capability()
    return capabilities != "DEFAULT" and bool(
        torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    )

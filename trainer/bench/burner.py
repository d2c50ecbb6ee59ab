"""A process that trains when told to: what a meter beside it costs, and what a GPU draws for it.

`python -m trainer.bench.burner`, then a command a line: `steps N` makes N training steps of a small
network on one core; `context` makes a CUDA context; `load S` multiplies matrices on the GPU for S
seconds. Each is answered with a line: the seconds it took, and the CPU seconds.
"""

from __future__ import annotations

import sys
import time

import torch
from torch import nn

WIDTH, BATCH, SIDE = 384, 32, 8192


def main() -> None:
    """Do as told until the line ends."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH))
    optimizer = torch.optim.AdamW(network.parameters())
    samples = torch.randn(BATCH, WIDTH)  # (batch, features)
    for line in sys.stdin:
        command, _, amount = line.strip().partition(" ")
        began, began_cpu = time.perf_counter(), time.process_time()
        if command == "steps":
            for _ in range(int(amount)):
                optimizer.zero_grad()
                nn.functional.mse_loss(network(samples), samples).backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        elif command == "context":
            torch.zeros(1, device="cuda")
            torch.cuda.synchronize()
        elif command == "load":
            _load(began + float(amount))
        took_s, took_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
        print(took_s, took_cpu_s, flush=True)  # noqa: T201 -- the answer


def _load(until: float) -> None:
    a = torch.randn(SIDE, SIDE, device="cuda", dtype=torch.bfloat16)
    while time.perf_counter() < until:
        for _ in range(20):
            a @ a
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()

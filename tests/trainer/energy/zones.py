"""RAPL zones in a folder, as the kernel shows them."""

from __future__ import annotations

from pathlib import Path

RANGE_UJ = 262_143_328_850


def zone(folder: Path, number: str, name: str, energy_uj: int, limit_w: float | None = 200) -> Path:
    """A zone such as `0` or `0:1`."""
    path = folder / f"intel-rapl:{number}"
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "max_energy_range_uj").write_text(f"{RANGE_UJ}\n")
    if limit_w is not None:
        (path / "constraint_0_power_limit_uw").write_text(f"{round(limit_w * 1e6)}\n")
    stand_at(path, energy_uj)
    return path


def stand_at(path: Path, energy_uj: int) -> None:
    """Let a zone's counter stand there."""
    (path / "energy_uj").write_text(f"{energy_uj}\n")

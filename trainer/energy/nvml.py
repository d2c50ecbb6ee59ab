"""NVIDIA boards, read through NVML."""

from __future__ import annotations

import logging

from storage.models import Provenance
from trainer.energy.sources import EnergySource

log = logging.getLogger(__name__)


class NvmlCounterSource:
    """The energy counter of one NVIDIA board: joules since the driver was loaded."""

    provenance: Provenance = "M-ctr"
    phase: str | None = None

    def __init__(self, uuid: str) -> None:
        import pynvml

        self._nvml = pynvml
        self._handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
        self.name, self.device = "nvml-counter", uuid

    def read(self) -> float | None:
        """The counter; None when the driver does not answer."""
        try:
            return float(self._nvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except self._nvml.NVMLError as err:
            log.warning("no reading", extra={"device": self.device, "reason": str(err)})
            return None


def boards() -> tuple[list[EnergySource], list[str]]:
    """A source for each board that can be metered, and a line on every board."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return [], ["GPU: none (no NVIDIA driver)"]
    except pynvml.NVMLError as err:
        return [], [f"GPU: not metered, NVML says {err}"]
    found: list[EnergySource] = []
    lines = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        uuid, name = pynvml.nvmlDeviceGetUUID(handle), pynvml.nvmlDeviceGetName(handle)
        source = NvmlCounterSource(uuid)
        if source.read() is None:
            lines.append(f"GPU {index} {name}: not metered, it has no energy counter")
        else:
            found.append(source)
            lines.append(f"GPU {index} {name}: measured, energy counter")
    return found, lines

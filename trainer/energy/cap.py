"""A lower power limit for the boards while our training runs, and the old one back on every way out.

The limits that were in force are written down before anything is changed, so that a bot that is
killed leaves enough for the next one to put them back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pynvml

from trainer.files import write_whole

log = logging.getLogger(__name__)


class CapError(Exception):
    """The limit cannot be set; the text says why and what to do."""


class PowerCap:
    """The limit of every board, opt-in.

    Args:
        watts: what a board may draw while we train; None = as it is.
        memo: file that holds the limits that were in force, while ours is.
    """

    def __init__(self, watts: float | None, memo: Path) -> None:
        self._watts, self._memo = watts, memo

    def restore(self) -> None:
        """Put back what a killed bot left changed; a board that is gone is nobody's concern."""
        if not self._memo.exists():
            return
        try:
            before = json.loads(self._memo.read_text(encoding="utf-8"))
            pynvml.nvmlInit()
        except (OSError, ValueError, pynvml.NVMLError) as err:
            log.error("power limits not put back", extra={"memo": str(self._memo), "why": str(err)})
            return
        self._put(before)

    def check(self) -> None:
        """See that the limit can be set.

        Raises:
            CapError: there is no board, it takes no such limit, or we lack the rights.
        """
        if self._watts is None:
            return
        try:
            self._put(self._set(self._watts))
        except pynvml.NVMLError as err:
            remedy = (
                "run the bot as root"
                if isinstance(err, pynvml.NVMLError_NoPermission)
                else "take another value"
            )
            raise CapError(
                f"JOULERY_GPU_POWER_CAP_W = {self._watts:g}: NVML says: {err}; {remedy}, or unset it"
            ) from err

    @contextmanager
    def held(self) -> Iterator[None]:
        """The limit is ours inside, and what it was afterwards; where NVML refuses, it stays."""
        changed: dict[str, int] = {}
        try:
            if self._watts is not None:
                try:
                    changed = self._set(self._watts)
                except (CapError, pynvml.NVMLError) as err:  # a board may go while we run
                    log.error("power limit not set", extra={"why": str(err)})
            yield
        finally:
            self._put(changed)

    def _set(self, watts: float) -> dict[str, int]:
        """Set the limit of every board, of all or none: the limits before, in mW."""
        pynvml.nvmlInit()
        before = {}
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            low, high = pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
            if not low <= 1000 * watts <= high:
                raise CapError(
                    f"JOULERY_GPU_POWER_CAP_W = {watts:g}: this board takes {low / 1000:g} to "
                    f"{high / 1000:g} W"
                )
            uuid = pynvml.nvmlDeviceGetUUID(handle)
            before[uuid] = pynvml.nvmlDeviceGetPowerManagementLimit(handle)
        write_whole(self._memo, json.dumps(before))
        changed: dict[str, int] = {}
        try:
            for uuid, limit in before.items():
                handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
                pynvml.nvmlDeviceSetPowerManagementLimit(handle, round(1000 * watts))
                changed[uuid] = limit
        except pynvml.NVMLError:
            self._put(changed)
            raise
        return changed

    def _put(self, limits_mw: dict[str, int]) -> None:
        """Put limits back; the memo goes once all of them stand."""
        is_done = True
        for uuid, limit in limits_mw.items():
            try:
                handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
                pynvml.nvmlDeviceSetPowerManagementLimit(handle, limit)
            except pynvml.NVMLError as err:
                is_done = isinstance(err, pynvml.NVMLError_NotFound) and is_done
                log.error("power limit not put back", extra={"device": uuid, "why": str(err)})
        if is_done:
            self._memo.unlink(missing_ok=True)

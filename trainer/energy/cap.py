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
            owed = self._owed()
            pynvml.nvmlInit()
        except (OSError, ValueError, pynvml.NVMLError) as err:
            log.error("power limits not put back", extra={"memo": str(self._memo), "why": str(err)})
            return
        self._put(owed)

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
            remedies = {
                pynvml.NVMLError_NoPermission: "run the bot as root, or unset it",
                pynvml.NVMLError_LibraryNotFound: "there is no NVIDIA driver here: unset it",
                pynvml.NVMLError_DriverNotLoaded: "load the NVIDIA driver, or unset it",
            }
            remedy = remedies.get(type(err), "take another value, or unset it")
            raise CapError(
                f"JOULERY_GPU_POWER_CAP_W = {self._watts:g}: NVML says: {err}; {remedy}"
            ) from err

    @contextmanager
    def held(self) -> Iterator[None]:
        """The limit is ours inside, and what it was afterwards; where NVML refuses, it stays."""
        before: dict[str, int] = {}
        try:
            if self._watts is not None:
                try:
                    before = self._set(self._watts)
                except (CapError, pynvml.NVMLError) as err:  # a board may go while we run
                    log.error("power limit not set", extra={"why": str(err)})
            yield
        finally:
            if before:
                self._put(before)

    def _set(self, watts: float) -> dict[str, int]:
        """Set the limit of every board, of all or none: the limits before, in mW.

        What a bot before us changed and could not be put back since was not the limit before.
        """
        pynvml.nvmlInit()
        try:
            before = owed = self._owed() if self._memo.exists() else {}
        except (OSError, ValueError) as err:
            raise CapError(
                f"{self._memo} cannot be read ({err}), so nobody knows the limits of before; set "
                "them with nvidia-smi -pl, then remove that file"
            ) from err
        for index in range(pynvml.nvmlDeviceGetCount()):
            handle = pynvml.nvmlDeviceGetHandleByIndex(index)
            low, high = pynvml.nvmlDeviceGetPowerManagementLimitConstraints(handle)
            if not low <= 1000 * watts <= high:
                raise CapError(
                    f"JOULERY_GPU_POWER_CAP_W = {watts:g}: this board takes {low / 1000:g} to "
                    f"{high / 1000:g} W"
                )
            now = pynvml.nvmlDeviceGetPowerManagementLimit(handle)
            before = {pynvml.nvmlDeviceGetUUID(handle): now, **before}
        if not before:
            raise CapError(f"JOULERY_GPU_POWER_CAP_W = {watts:g}: there is no board; unset it")
        write_whole(self._memo, json.dumps(before))
        changed = owed
        try:
            for uuid, limit in before.items():
                handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
                pynvml.nvmlDeviceSetPowerManagementLimit(handle, round(1000 * watts))
                changed = {**changed, uuid: limit}
        except pynvml.NVMLError:
            self._put(changed)
            raise
        return before

    def _put(self, limits_mw: dict[str, int]) -> None:
        """Put limits back; those that could not be stay in the memo, which else goes."""
        left = {}
        for uuid, limit in limits_mw.items():
            try:
                handle = pynvml.nvmlDeviceGetHandleByUUID(uuid)
                pynvml.nvmlDeviceSetPowerManagementLimit(handle, limit)
            except pynvml.NVMLError_NotFound as err:
                log.warning("a board is gone", extra={"device": uuid, "why": str(err)})
            except pynvml.NVMLError as err:
                left[uuid] = limit
                log.error("power limit not put back", extra={"device": uuid, "why": str(err)})
        if left:
            write_whole(self._memo, json.dumps(left))
        else:
            self._memo.unlink(missing_ok=True)

    def _owed(self) -> dict[str, int]:
        """The limits, in mW, that boards had before a bot changed them.

        Raises:
            OSError: the memo cannot be read.
            ValueError: it is none.
        """
        found = json.loads(self._memo.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError("no limits in it")
        return {str(uuid): int(limit) for uuid, limit in found.items()}

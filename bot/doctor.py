"""What stands well with this installation and what does not: `joulery doctor`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import SecretStr

from adapters.slack.doctor import examine as examine_slack
from bot.settings import Settings
from storage.models import PROVENANCE_WORDS
from trainer.energy.findings import Finding
from trainer.energy.plausible import moved
from trainer.energy.probe import NOT_COVERED, probe
from trainer.energy.sources import DeviceSource

LOOK_S = 1.0
FINE = {True: "fine", False: "wrong", None: ""}

Topic = Literal["energy", "slack", "discord"]


@dataclass(frozen=True, slots=True)
class Section:
    """What was found on one topic.

    Attributes:
        topic: its name.
        heading: columns.
        rows: a row per thing.
        advice: what would make it better.
        notes: what to keep in mind.
        data: all of it for scripts.
        wrong: what somebody has to mend.
    """

    topic: str
    heading: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    advice: tuple[str, ...]
    notes: tuple[str, ...]
    data: Any
    wrong: tuple[str, ...] = ()


def examine(settings: Settings, topic: Topic | None = None) -> list[Section]:
    """The topic that was asked for, or every one that is set up."""
    topics = {"energy": energy, "slack": slack, "discord": discord}
    tokens = {"slack": settings.slack_bot_token, "discord": settings.discord_token}
    absent = {name for name, token in tokens.items() if token is None}
    wanted = [topic] if topic is not None else [name for name in topics if name not in absent]
    return [topics[name](settings) for name in wanted]


def energy(settings: Settings) -> Section:
    """What is measured on this host and what is guessed; takes a second to see the devices move."""
    found = probe(settings.watts_per_core)
    devices = [s for s in found.sources if isinstance(s, DeviceSource)]
    drawing = _drawing(devices)
    rows = [(f.part, f.state, f.how, f.provenance or "") for f in found.findings]
    kept_in_mind = [f"{f.part}: {f.note}" for f in found.findings if f.note]
    now = [f"{device} draws {watts:.0f} W just now" for device, watts in drawing.items()]
    idle = "the run's" if settings.charge_idle == "reserved" else "nobody's"
    return Section(
        topic="energy",
        heading=("part", "", "how", "label"),
        rows=tuple(rows),
        advice=tuple(f"{f.part}: {f.remedy}" for f in found.findings if f.remedy),
        notes=(
            *now,
            *kept_in_mind,
            f"what devices draw while a run waits for votes is {idle} (JOULERY_CHARGE_IDLE)",
            f"not covered: {NOT_COVERED}",
        ),
        data={
            "findings": [_as_json(f) for f in found.findings],
            "power_w": drawing,
            "charge_idle": settings.charge_idle,
            "not_covered": NOT_COVERED,
        },
    )


def slack(settings: Settings) -> Section:
    """Whether Slack would let the bot work, step by step; asks Slack."""
    checks = asyncio.run(
        examine_slack(
            _open(settings.slack_bot_token),
            settings.slack_channel,
            _open(settings.slack_app_token),
            _open(settings.slack_signing_secret),
            settings.slack_api_url,
        )
    )
    return Section(
        topic="slack",
        heading=("step", "", "what was found"),
        rows=tuple((check.what, FINE[check.is_fine], check.found) for check in checks),
        advice=tuple(f"{check.what}: {check.remedy}" for check in checks if check.remedy),
        notes=(),
        data=[asdict(check) for check in checks],
        wrong=tuple(check.what for check in checks if check.is_fine is False),
    )


def discord(settings: Settings) -> Section:
    """Whether Discord would let the bot work, step by step; asks Discord."""
    from adapters.discord.doctor import examine as examine_discord  # 40 MB only its users pay

    found = asyncio.run(
        examine_discord(
            _open(settings.discord_token), settings.discord_channel, settings.discord_api_url
        )
    )
    checks = found.checks
    link = f"lets the bot in with exactly what it needs: {found.invite}"
    return Section(
        topic="discord",
        heading=("step", "", "what was found"),
        rows=tuple((check.what, FINE[check.is_fine], check.found) for check in checks),
        advice=tuple(f"{check.what}: {check.remedy}" for check in checks if check.remedy),
        notes=(link,) if found.invite else (),
        data={"checks": [asdict(check) for check in checks], "invite": found.invite or None},
        wrong=tuple(check.what for check in checks if check.is_fine is False),
    )


def _open(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _drawing(devices: Sequence[DeviceSource]) -> dict[str, float]:
    """Device -> W over a second, of those that tell."""
    before = [_polled(device) for device in devices]
    deadline = time.monotonic() + LOOK_S
    while devices and time.monotonic() < deadline:
        time.sleep(0.1)
        for device in devices:
            device.poll()
    drawing = {}
    for device, (began, joules) in zip(devices, before, strict=True):
        ended, later = _polled(device)
        seconds = ended - began
        if joules is not None and later is not None:
            came = moved(joules, later, seconds, device.bounds)
            if came.energy_j is not None:
                drawing[device.device] = came.energy_j / seconds
    return drawing


def _polled(device: DeviceSource) -> tuple[float, float | None]:
    """(seconds, J) of a device at this very moment."""
    device.poll()
    return time.monotonic(), device.read()


def _as_json(finding: Finding) -> dict[str, str | None]:
    return {
        "part": finding.part,
        "state": finding.state,
        "how": finding.how,
        "label": finding.provenance,
        "meaning": PROVENANCE_WORDS[finding.provenance] if finding.provenance else None,
        "remedy": finding.remedy or None,
        "note": finding.note or None,
    }

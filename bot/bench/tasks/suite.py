"""`joulery bench tasks`: the groups one after the other, taken up where they were left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence

from bot.bench.figures import BenchReport
from bot.bench.learning.resumed import all_rows
from bot.bench.tasks import report
from bot.bench.tasks.features import Features
from bot.bench.tasks.groups import Group, Row, Section, Setting
from bot.bench.tasks.images import Images
from bot.bench.tasks.language import Language
from bot.bench.tasks.pairs import Pairs
from bot.bench.tasks.sheets import Sheets
from trainer.files import write_whole
from trainer.launch import LocalLauncher

GROUPS: tuple[Callable[[Setting], Group], ...] = (Language, Pairs, Images, Features, Sheets)
"""Those with the longest cells first, so that at the end no worker waits long for the other."""


async def run(setting: Setting, progress: Callable[[int, int], None]) -> BenchReport:
    """Carry out what is not done yet; rows and tables lie in the setting's folder.

    What lacks its data is left out, and the report says so.

    Raises:
        BenchError: data cannot be read, or a cell cannot be trained.
    """
    groups = [make(setting) for make in GROUPS]
    skipped = {group.name: why for group in groups if (why := group.missing()) is not None}
    groups = [group for group in groups if group.name not in skipped]
    owner = {key: group for group in groups for key in group.names()}
    launcher = LocalLauncher()

    async def prepare(missing: Sequence[str]) -> None:
        for group in groups:
            mine = [key for key in missing if owner[key] is group]
            if mine:
                await group.prepare(mine)
        await launcher.warm()

    async def work(key: str) -> Row:
        return {"cell": key, **await owner[key].carry_out(key, launcher)}

    rows = await all_rows(list(owner), prepare, work, setting.folder, progress)
    sections: Mapping[str, Section] = {
        group.name: group.section([row for row in rows if owner[row["cell"]] is group])
        for group in groups
    }
    text = report.markdown(sections, skipped, setting.seeds)
    await asyncio.to_thread(write_whole, setting.folder / "report.md", text)
    void = [f"{name}: {why}" for name, section in sections.items() for why in section.void]
    return BenchReport(
        setting={
            "source": str(setting.source), "seeds": list(setting.seeds), "valid": void or True,
            "skipped": skipped, "folder": str(setting.folder),
            "notes": [note for section in sections.values() for note in section.notes],
        },
        figures=tuple(figure for section in sections.values() for figure in section.figures),
    )  # fmt: skip

"""The sections of the benchmark as one Markdown report; what makes it void comes first. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from bot.bench.figures import Figure
from bot.bench.tasks.groups import Section, Table


def markdown(
    sections: Mapping[str, Section], skipped: Mapping[str, str], seeds: Sequence[int]
) -> str:
    """The whole report.

    Args:
        sections: by the group's name.
        skipped: group -> why it was not measured.
        seeds: of the pools.
    """
    void = [f"{name}: {why}" for name, section in sections.items() for why in section.void]
    lines = [f"**Not valid as it stands: {'; '.join(void)}.**", ""] if void else []
    lines += [f"Seeds {', '.join(map(str, seeds))}.", ""]
    for name, why in skipped.items():
        lines += [f"{name}: not measured, {why}.", ""]
    for name, section in sections.items():
        lines += [f"## {name}", "", *as_markdown(figures_table(section.figures)), ""]
        for table in section.tables:
            lines += [*as_markdown(table), ""]
        lines += [f"* {note}" for note in section.notes]
        lines += [""] if section.notes else []
    return "\n".join(lines)


def figures_table(figures: Iterable[Figure]) -> Table:
    """Figures beside what is wanted of them."""
    rows: Table = [("figure", "value", "wanted", "holds")]
    for figure in figures:
        value = "-" if figure.value is None else f"{figure.value:.3f} {figure.unit}".strip()
        holds = {True: "yes", False: "**no**", None: ""}[figure.holds]
        rows.append((figure.name, value, figure.target, holds))
    return rows


def as_markdown(table: Table) -> list[str]:
    """Lines of a table in Markdown."""
    heading, *body = table
    lines = ["| " + " | ".join(heading) + " |", "|" + "---|" * len(heading)]
    return lines + ["| " + " | ".join(row) + " |" for row in body]

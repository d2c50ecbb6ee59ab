"""What all commands share: the app, its two consoles, common options, and how files are written."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from bot import logs
from bot.settings import Settings, SettingsError, read_settings
from trainer.spec import SpecError

BAD_INPUT = 2
FAILURE = 1

app = typer.Typer(
    help="A jury that saves joules: steer a LoRA fine-tune by chat, and meter every joule.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console(markup=False, emoji=False)  # names, reasons and paths may hold brackets, or :b:
err = Console(stderr=True, markup=False, emoji=False)

ReportOption = Annotated[Path | None, typer.Option(help="write the figures to this file, as JSON")]
PortOption = Annotated[int | None, typer.Option(help="port of the page; 0 = any free one")]


def settings_of(port: int | None) -> Settings:
    """The settings, with this port of the page where one is given; logging starts with them."""
    overrides: dict[str, Any] = {} if port is None else {"web_port": port}
    settings = read_settings(**overrides)
    logs.begin(settings.log_level)
    return settings


def write_json(path: Path, data: Mapping[str, Any]) -> None:
    """Write a report and say where it is."""
    write(path, json.dumps(data, indent=1, default=str))
    out.print(f"Report: {path}")


def write(path: Path, text: str) -> None:
    """Write a report.

    Raises:
        SettingsError: It cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"cannot write the report {path}: {error.strerror}; name another file"
        ) from error


def show(heading_and_body: Sequence[Sequence[str]]) -> None:
    """Print a table, then an empty line."""
    heading, *body = heading_and_body
    table = Table(*heading, box=None)
    for row in body:
        table.add_row(*row)
    out.print(table, "")


def demo_spec() -> dict[str, Any]:
    """The demo's spec, as it stands in its file."""
    import yaml

    path = Path(__file__).parent.with_name("demo.yaml")
    spec: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return spec


def bench_data(name: str = "bench learning") -> Path:
    """The folder of public data sets beside the checkout, where there is one."""
    for folder in (Path("../shared/data"), Path("shared/data")):
        if (folder / "banking77").is_dir():
            return folder.resolve()
    raise SpecError(
        f"{name} needs data: give --data FOLDER with banking77 and clinc150 in it, "
        "or --data csv:FILE with the columns text and label"
    )

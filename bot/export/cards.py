"""Cards for what is written: a data card and a model card, as Hugging Face reads them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from bot import metrics, words
from bot.energy.costs import Costs
from bot.energy.effort import People
from bot.export.rows import Table
from bot.export.snippets import usage
from bot.opinions import Heard
from bot.wording import kind_of
from storage.models import Ballot, Run

ASKED = {
    "fits": "does the label fit (yes / no / can't tell)",
    "worth": "is the answer worth learning from (yes / no / can't tell)",
    "which": "which of these labels is it",
    "prefer": "which of two answers is better",
    "importance": "how much does a feature or a topic matter (0 to 5)",
    "happy": "does an answer of the model please (logged, never trained on)",
}
WRITTEN = {
    "samples": "the pool: given label, the team's, and whether it was trained on",
    "votes": "the vote that stands of each person on each thing on a card",
    "events": "every mark that appeared or went, late ones too",
    "energy": "joules by phase, device and source, as they were booked",
}


@dataclass(frozen=True, slots=True)
class Told:
    """What both cards tell of a run.

    Attributes:
        run: which.
        ballots: what was asked.
        heard: what the team said.
        took: what voting took of people.
        costs: joules, and CO2e where a country is set.
        metric: of the weights that are written, in [0, 1]; None before the first evaluation.
        simulated: raters that are programs.
        co2: the hub's block on emissions; None where they are not known.
    """

    run: Run
    ballots: Sequence[Ballot]
    heard: Heard
    took: People
    costs: Costs
    metric: float | None = None
    simulated: int = 0
    co2: Mapping[str, Any] | None = None


def data_card(told: Told, tables: Sequence[Table], form: str, *, with_names: bool) -> str:
    """README.md of a folder of tables, with what `datasets.load_dataset` needs to know.

    Args:
        told: of the run.
        tables: those that were written.
        form: ending of their files.
        with_names: whether raters go by their names.
    """
    full = [table for table in tables if table.rows]
    front: dict[str, Any] = {
        "pretty_name": f"{told.run.name}, steered by votes",
        "license": "unknown",
        "task_categories": [kind_of(told.run.spec).hub],
        "tags": ["joulery", "human-feedback", "label-errors"],
        "configs": [
            {"config_name": table.name, "data_files": f"{table.name}.{form}"}
            | ({"default": True} if table is full[0] else {})
            for table in full
        ],
    }
    lines = [
        f"# {told.run.name} ({told.run.run_id}), steered by votes",
        "",
        "| file | rows | what |",
        "|---|---|---|",
        *(f"| `{t.name}.{form}` | {len(t.rows)} | {WRITTEN[t.name]} |" for t in full),
        "",
        "Licence: unknown. It is that of the data the run was given; whoever passes this on states it.",
        "",
        *_how(told, with_names=with_names),
        "",
        "Empty cells are unknown. Columns: docs/export.md of Joulery.",
    ]
    return _front(front) + "\n".join(lines) + "\n"


def model_card(told: Told, written: Mapping[str, Any]) -> str:
    """README.md of a peft folder.

    Args:
        told: of the run.
        written: what `trainer.adapter` says it wrote.
    """
    run, spec = told.run, told.run.spec
    front: dict[str, Any] = {
        "base_model": written["base"],
        "library_name": "peft",
        "license": "unknown",
        "tags": ["joulery", "lora", _task(run)],
        **({"pipeline_tag": kind_of(spec).hub} if kind_of(spec).asks == "answer" else {}),
        **({"co2_eq_emissions": dict(told.co2)} if told.co2 else {}),
    }
    lora, train = spec.get("lora", {}), spec.get("train", {})
    lines = [
        f"# {run.name}: LoRA weights",
        "",
        f"LoRA on `{written['base']}`"
        + (f" at revision `{written['revision']}`" if written["revision"] else "")
        + f", {_task(run)}, trained by Joulery (run {run.run_id}, seed {run.seed}): r "
        f"{lora.get('r')}, alpha {lora.get('alpha')}, on the top layers ({lora.get('top_layers')}); "
        f"{train.get('epochs', 0):g} epochs at most, AdamW, a moving average of the weights. These are "
        "the weights that did best on the dev set.",
        "",
        *_result(told),
        "## Use",
        "",
        usage(_task(run), written),
        "",
        "## Data and votes",
        "",
        f"Pool: `{_pool_name(run)}`. What the votes took out or relabelled is not trained on.",
        "",
        *_how(told, with_names=False),
        "",
        "## Energy",
        "",
        *_energy(told),
        "",
        "Licence: unknown; that of the base model and of the data apply.",
    ]
    return _front(front) + "\n".join(lines) + "\n"


def _front(values: Mapping[str, Any]) -> str:
    text = yaml.safe_dump(dict(values), sort_keys=False, allow_unicode=True, width=1e9)
    return f"---\n{text}---\n\n"


def _task(run: Run) -> str:
    return str(run.spec.get("task", "text-classification"))


def _pool_name(run: Run) -> str:
    """A file by its name alone: its folder says where somebody lives."""
    source = str(run.spec.get("data", {}).get("pool", "unknown"))
    reader, colon, where = source.partition(":")
    is_file = reader in ("csv", "jsonl", "parquet", "imagefolder")
    return f"{reader}:{where.rstrip('/').rsplit('/', 1)[-1]}" if colon and is_file else source


def _result(told: Told) -> list[str]:
    if told.metric is None:
        return []
    kind = kind_of(told.run.spec)
    on = "test set" if told.run.spec.get("data", {}).get("test") else "dev set"
    return [f"{kind.metric.capitalize()} on the {on}: {metrics.said(told.metric, kind)}.", ""]


def _how(told: Told, *, with_names: bool) -> list[str]:
    """How it was voted, by whom, for how long, and how much people agreed."""
    tally, took = told.heard.tally, told.took
    is_answer = kind_of(told.run.spec).asks == "answer"
    used = {"worth" if b.ask == "fits" and is_answer else b.ask for b in told.ballots}
    asks = [ask for ask in ASKED if ask in used]
    if tally.is_silent:
        return ["Nobody voted."]
    alpha = "not known" if tally.alpha is None else f"{tally.alpha:.2f}"
    median = "" if took.median_s is None else f", {took.median_s:.1f} s per answer at the median"
    who = "by name" if with_names else "under made-up names that the team alone can trace back"
    simulated = f"; {told.simulated} of them are simulated, no people" if told.simulated else ""
    return [
        f"- Voted in chat on {len(told.ballots)} cards: {'; '.join(ASKED[ask] for ask in asks)}.",
        f"- {tally.votes} votes of {tally.voters} raters ({who}{simulated}): {tally.yes} yes, {tally.no} no, "
        f"{tally.abstained} could not tell.",
        f"- Agreement: Krippendorff's alpha {alpha}; votes are weighed by how reliable each rater is.",
        f"- People's time: {took.seconds:.0f} s in all{median} ({took.source}).",
    ]


def _energy(told: Told) -> list[str]:
    total = told.costs.total
    if total.is_unknown or not total.energy_j:
        return ["No joules are booked."]
    said = f"{words.sign(total)}{words.energy(total.energy_j, total.u_j)} (95 % interval)"
    return [
        f"All arms of the run: {said}; {total.measured_share:.0%} of it measured, the rest estimated.",
        *told.costs.said(),
    ]

"""What a team asks for: one YAML file, validated whole before anything is done.

Torch-free: the bot reads specs to queue runs, the child reads them to train.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from rapidfuzz import process

MAX_SEED = 2**31 - 1
RUN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}\Z")
_DURATION = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(s|sec|min|m|h)?\s*\Z")
_SECONDS = {None: 1.0, "s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0}
_READERS = (
    "builtin:stdlib", "builtin:digits", "imagefolder:", "csv:", "jsonl:", "parquet:", "hf:",
)  # fmt: skip


class SpecError(Exception):
    """The spec cannot be used; the text names every key, value and remedy."""


def _duration_s(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.match(value)
        if match is None:
            raise ValueError("write a number with s, min or h, e.g. 90s or 10min")
        return float(match[1]) * _SECONDS[match[2]]
    return value


def _run_name(value: str) -> str:
    if RUN_NAME.match(value) is None:
        raise ValueError("it becomes a folder; use a-z, 0-9, - and _, at most 63 characters")
    return value


def _rising(pauses: tuple[float, ...]) -> tuple[float, ...]:
    if any(later <= earlier for earlier, later in pairwise(pauses)):
        raise ValueError("shares must rise from pause to pause")
    if any(pause >= 1 for pause in pauses):
        raise ValueError("a pause at 1 would come after the training")
    return pauses


def _no_nul(value: str) -> str:
    if "\0" in value:
        raise ValueError("it holds a NUL character; write it without")
    return value


def _source(value: object) -> object:
    if isinstance(value, str) and not value.startswith(_READERS):
        raise ValueError(f"no such source; write one of {', '.join(_READERS)} with a path or name")
    return _no_nul(value) if isinstance(value, str) else value


Value = Literal["quality-at-equal-energy", "machine-energy", "energy-with-devices", "money"]
"""What a team asks its votes to bring; `bot.worth` weighs by it, `bot.verdict` judges by it."""
Seconds = Annotated[float, BeforeValidator(_duration_s), Field(gt=0, le=366 * 86_400.0)]
Share = Annotated[float, Field(ge=0, le=1)]
Source = Annotated[str, BeforeValidator(_source)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DirtSpec(_Part):
    """Dirt added on purpose, so that simulated voters have a truth to vote by."""

    shuffled: Share = Field(
        0.0,
        description="share of the pool that gets a random wrong label; causal-lm: whose answers are "
        "exchanged; preference: whose pairs are turned round",
    )
    bulk: Share = Field(
        0.0,
        description="share of the pool filed in bulk under one wrong label; causal-lm: answered "
        "with one and the same refusal; preference: where a refusal is called the better answer",
    )
    off_topic: Share = Field(
        0.0,
        description="share of the pool replaced by off-topic samples; causal-lm: whose answers are "
        "also cut off in the middle; preference: where neither answer is to the prompt",
    )

    @property
    def total(self) -> float:
        """All added dirt, as a share of the pool."""
        return self.shuffled + self.bulk + self.off_topic


class DataSpec(_Part):
    """Where samples come from and what their columns mean."""

    pool: Source = Field(description="the samples to learn from")
    dev: Source | Annotated[float, Field(gt=0, lt=1)] = Field(
        0.1, description="clean held-out samples that steer the run, or a share of the pool"
    )
    test: Source | None = Field(None, description="clean held-out samples that steer nothing")
    text: str = Field("text", description="name of the text column")
    image: str = Field("image", description="name of the image column: paths or bytes")
    label: str = Field(
        "label", description="name of the label column; lists in it are several labels at once"
    )
    prompt: str | None = Field(
        "prompt",
        description="name of the prompt column: texts, or chats as lists of {role, content}; null "
        "where the columns with the answers hold whole chats",
    )
    answer: str = Field("answer", description="name of the column with answers, causal-lm only")
    chosen: str = Field(
        "chosen", description="name of the column with the better answers, preference only"
    )
    rejected: str = Field(
        "rejected", description="name of the column with the worse answers, preference only"
    )
    messages: str | None = Field(
        None,
        description="column with a whole chat, a list of {role, content}, causal-lm only; its last "
        "message, by the assistant, is the answer. Takes the place of prompt and answer",
    )
    id: str | None = Field(None, description="column with a stable id; default: the row number")
    truth: str | None = Field(
        None,
        description="column with the right label, read by simulated voters only; causal-lm: true "
        "where the answer is good; preference: chosen or rejected, whichever is better, else a tie",
    )
    limit: int | None = Field(None, ge=1, description="use at most this many samples of the pool")
    dirt: DirtSpec = Field(default_factory=DirtSpec, description="dirt to add, for simulations")

    @model_validator(mode="after")
    def _dirt_leaves_something(self) -> Self:
        if self.dirt.total > 0.9:
            raise ValueError(f"dirt adds up to {self.dirt.total:.2f}; leave at least 0.1 clean")
        return self


class LoraSpec(_Part):
    """Which weights may move."""

    r: int = Field(8, ge=1, le=512, description="rank of the LoRA matrices")
    alpha: int = Field(16, ge=1, description="LoRA scaling numerator")
    targets: tuple[str, ...] | Literal["auto"] = Field(
        "auto", description="module names; auto = the attention's query and value projections"
    )
    top_layers: int | Literal["third", "half", "all"] = Field(
        "third",
        description="number of top layers that get LoRA; the layers below are computed once",
    )


class TrainSpec(_Part):
    """How the arms train; the same for all of them."""

    epochs: float = Field(3.0, gt=0, le=100, description="passes over the pool, in samples")
    batch_size: int = Field(32, ge=1, le=4096, description="samples per step")
    lora_lr: float = Field(4e-3, gt=0, description="learning rate of the LoRA weights")
    head_lr: float = Field(1e-2, gt=0, description="learning rate of the classifier")
    weight_decay: float = Field(0.01, ge=0, description="AdamW's decoupled weight decay")
    max_grad_norm: float = Field(
        1.0, gt=0, description="longer gradients are cut to this length, all weights together"
    )
    warmup_steps: int = Field(10, ge=0, description="steps until the full learning rate")
    max_tokens: int = Field(64, ge=4, le=8192, description="longer texts are cut")
    beta: float = Field(
        0.1, gt=0, le=10, description="how strongly DPO holds on to the model, preference only"
    )
    evaluations: int = Field(
        10, ge=1, le=200, description="evenly spaced evaluations besides the one at the start"
    )
    patience: int = Field(
        3, ge=0, le=200, description="evaluations without a better dev metric that end it; 0 = none"
    )
    seed: int = Field(
        0, ge=0, le=MAX_SEED, description="seed of data order, dirt and initial weights"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="auto = bfloat16 where the hardware computes in it"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto", description="CPU threads of the training child"
    )


class AskSpec(_Part):
    """When and what people are asked."""

    at: Annotated[tuple[Share, ...], AfterValidator(_rising)] = Field(
        (0.0, 0.3), description="shares of the training after which it pauses; 0 = before any step"
    )
    audit: int = Field(
        20,
        ge=0,
        le=200,
        description="random cards asked before anything else, to see whether asking pays; they "
        "count as cards of a round at 0; asked once more where they settle nothing. 0 = no such check: "
        "ask as planned, come what may",
    )
    cards: int = Field(30, ge=0, le=200, description="sample cards per round")
    repeats: int = Field(
        0,
        ge=0,
        le=50,
        description="cards of earlier rounds that are shown again in each round, to see who gives "
        "the same answer twice; the last answer counts",
    )
    feature_cards: int = Field(3, ge=0, le=50, description="feature cards per round, once trained")
    quorum: int = Field(2, ge=1, description="votes per card that end a round early")
    deadline: Seconds = Field(600.0, description="how long a round stays open, e.g. 10min")
    at_night: Literal["extend", "continue"] = Field(
        "extend",
        description="what a pause in the team's quiet hours does. extend = ask, and let the deadline "
        "count from the morning on; continue = train on, and ask at the next pause by day",
    )
    style: Literal["reactions", "buttons", "both"] = Field(
        "reactions", description="how votes are given; buttons alone are blind"
    )

    @property
    def has_audit(self) -> bool:
        """Whether a round of random cards comes first: where sample cards are asked at all."""
        return self.audit > 0 and self.cards > 0 and bool(self.at)

    def cards_after(self, audits: int) -> int:
        """Sample cards left for a round at 0; those of the audits count."""
        return max(0, self.cards - audits * self.audit) if self.has_audit else self.cards


class RunSpec(_Part):
    """One run, whole."""

    name: Annotated[str, AfterValidator(_run_name)] = Field(
        description="short name: a-z, 0-9, - and _, at most 63 characters"
    )
    task: Literal["text-classification", "image-classification", "causal-lm", "preference"] = Field(
        "text-classification", description="what is fine-tuned"
    )
    model: Annotated[str, AfterValidator(_no_nul)] = Field(
        description="hub id, path, minilm (the weights in the demo extra), or toy (trained on the spot)"
    )
    revision: str | None = Field(None, description="hub commit to pin")
    encoder: Annotated[str, AfterValidator(_no_nul)] = Field(
        "minilm",
        description="text encoder that compares prompts and answers, causal-lm and preference only: "
        "hub id, path, or minilm",
    )
    quantize: Literal["none", "4bit"] = Field(
        "none",
        description="4bit: the frozen weights in four bits (NF4), causal-lm and preference only; "
        "needs a CUDA device and bitsandbytes",
    )
    data: DataSpec = Field(description="where samples come from")
    lora: LoraSpec = Field(default_factory=LoraSpec, description="which weights may move")
    train: TrainSpec = Field(default_factory=TrainSpec, description="how the arms train")
    ask: AskSpec = Field(default_factory=AskSpec, description="when and what people are asked")
    value: Value = Field(
        "quality-at-equal-energy", description="what votes are to bring: asking stops without it"
    )
    later_runs: int = Field(
        0, ge=0, le=1_000_000, description="runs after this one that train on the cleaned data"
    )
    may_wait: Annotated[float, BeforeValidator(_duration_s), Field(ge=0, le=30 * 86_400.0)] = Field(
        0.0,
        description="how long training may wait after a round for cleaner electricity, e.g. 6h; "
        "needs JOULERY_CARBON_FORECAST",
    )
    budget: str = Field(
        "", max_length=40, description="what it may cost at most: e.g. 0.5kWh, 90min, 0.2kgCO2e"
    )


def read_spec(path: Path) -> RunSpec:
    """The validated spec at `path`, its data paths made absolute from the file's own folder.

    Raises:
        SpecError: the file is missing or malformed; the text lists every error with its remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SpecError(f"no spec at {path}; see examples/ for specs that run") from None
    except (OSError, UnicodeDecodeError) as err:
        raise SpecError(f"cannot read the spec {path}: {err}; give a readable YAML file") from err
    try:
        raw = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as err:  # ValueError: a date that is none
        raise SpecError(f"{path} is not valid YAML: {_first_line(err)}") from err
    if not isinstance(raw, dict):
        raise SpecError(f"{path} holds {type(raw).__name__}, not keys with values; see examples/")
    return parse_spec(raw, where=str(path), folder=path.resolve().parent)


def parse_spec(raw: Mapping[str, Any], *, where: str, folder: Path | None = None) -> RunSpec:
    """The validated spec in `raw`; relative data paths count from `folder`.

    Raises:
        SpecError: all errors in one message, each with key, value and remedy.
    """
    try:
        spec = RunSpec.model_validate(raw)
    except ValidationError as err:
        lines = _explain_all(err.errors(include_url=False))
        count = "1 error" if len(lines) == 1 else f"{len(lines)} errors"
        raise SpecError(f"{where} has {count}:\n" + "\n".join(f"  {x}" for x in lines)) from None
    return _with_absolute_paths(spec, folder) if folder else spec


def _with_absolute_paths(spec: RunSpec, folder: Path) -> RunSpec:
    def absolute(source: str) -> str:
        reader, _, path = source.partition(":")
        if reader in ("csv", "jsonl", "parquet", "imagefolder"):
            return f"{reader}:{(folder / path).resolve()}"
        return source

    changes: dict[str, Any] = {
        name: absolute(value)
        for name in ("pool", "dev", "test")
        if isinstance(value := getattr(spec.data, name), str)
    }
    model = spec.model
    if model.startswith((".", "/")):
        model = str((folder / model).resolve())
    return spec.model_copy(update={"data": spec.data.model_copy(update=changes), "model": model})


def _explain_all(details: Sequence[ErrorDetails]) -> list[str]:
    """A line per key; a key that may be of several kinds is wrong once, not once per kind."""
    by_key: dict[str, str] = {}
    for detail in details:
        path = _fields(detail)
        key = ".".join(path) or "spec"
        by_key[key] = _merged(by_key.get(key), _explain(path, key, detail))
    return list(by_key.values())


def _merged(said: str | None, line: str) -> str:
    """What says most: our own words (a value with a remedy of its own) outrank pydantic's."""
    if said is None:
        return line
    return line if " should be " in said and " should be " not in line else said


def _fields(detail: ErrorDetails) -> list[str]:
    """The keys an error lies under, without the names of the kinds pydantic tried."""
    path: list[str] = []
    for part in detail["loc"]:
        if not isinstance(part, str):
            break
        path.append(part)
        if part not in _known_keys(path[:-1]):
            return path if detail["type"] == "extra_forbidden" else path[:-1]
        if _model_at(path) is _model_at(path[:-1]):  # a value, not a group of keys
            break
    return path


def _explain(path: list[str], key: str, detail: ErrorDetails) -> str:
    """One error as `key = value: what is wrong; remedy`."""
    if detail["type"] == "extra_forbidden":
        known = _known_keys(path[:-1])
        near = process.extractOne(path[-1], known, score_cutoff=60)
        hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(sorted(known))}"
        return f"{key}: no such key; {hint}"
    remedy = _description(path)
    if detail["type"] == "missing":
        return f"{key} is missing; set it ({remedy})"
    said = detail["msg"].removeprefix("Value error, ")
    value = "" if isinstance(detail["input"], dict) else f" = {detail['input']!r}"
    return f"{key}{value}: {said}" + (f" ({remedy})" if remedy else "")


def _model_at(path: list[str]) -> type[BaseModel]:
    model: type[BaseModel] = RunSpec
    for part in path:
        field = model.model_fields.get(part)
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return model


def _known_keys(path: list[str]) -> list[str]:
    return list(_model_at(path).model_fields)


def _description(path: list[str]) -> str:
    parent = _model_at(path[:-1])
    field = parent.model_fields.get(path[-1]) if path else None
    if field is None:
        return ""
    literals = [str(x) for x in get_args(field.annotation) if isinstance(x, str)]
    text = field.description or ""
    return f"{text}; one of {', '.join(literals)}" if literals else text


def _first_line(err: Exception) -> str:
    return " ".join(str(err).split())[:300]

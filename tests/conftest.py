"""What all tests share: a tiny real model, a small real data set, a database in a folder."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from storage.store.store import Store
from trainer.spec import RunSpec, parse_spec

TOPICS = {
    "fruit": [
        "apple",
        "pear",
        "plum",
        "cherry",
        "melon",
        "grape",
        "fig",
        "lemon",
        "peach",
        "mango",
    ],
    "tools": [
        "hammer",
        "saw",
        "drill",
        "wrench",
        "pliers",
        "chisel",
        "file",
        "clamp",
        "lathe",
        "anvil",
    ],
    "weather": [
        "rain",
        "snow",
        "wind",
        "storm",
        "cloud",
        "fog",
        "hail",
        "thunder",
        "frost",
        "drizzle",
    ],
}
FILLER = [
    "the",
    "a",
    "some",
    "with",
    "near",
    "very",
    "old",
    "new",
    "small",
    "big",
    "red",
    "seen",
    "today",
    "here",
    "there",
]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of two layers with a tokenizer of its own: real code, no download."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny-model")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = sorted({w for topic in TOPICS.values() for w in topic} | set(FILLER) | set(TOPICS))
    vocabulary = {token: i for i, token in enumerate(special + words)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])],
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    BertModel(
        BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
        )
    ).save_pretrained(folder)
    return folder


def write_topics(path: Path, n: int, seed: int = 0, wrong: float = 0.0) -> None:
    """A csv of `n` short texts with `text`, `label` and `truth`; a share of wrong labels."""
    rng = random.Random(seed)
    labels = sorted(TOPICS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label", "truth"])
        seen: set[str] = set()
        while len(seen) < n:
            truth = rng.choice(labels)
            words = rng.choices(TOPICS[truth], k=2) + rng.choices(FILLER, k=rng.randint(1, 5))
            rng.shuffle(words)
            text = " ".join(words)
            if text in seen:
                continue
            seen.add(text)
            label = truth
            if rng.random() < wrong:
                label = rng.choice([other for other in labels if other != truth])
            writer.writerow([text, label, truth])


@pytest.fixture
def tiny_spec(tmp_path: Path, tiny_model: Path) -> Callable[..., RunSpec]:
    """Makes specs of a run that trains in a second; keywords replace parts of it."""
    write_topics(tmp_path / "pool.csv", 90, seed=1, wrong=0.2)

    def make(**parts: Any) -> RunSpec:
        raw: dict[str, Any] = {
            "name": "tiny",
            "model": str(tiny_model),
            "data": {"pool": f"csv:{tmp_path / 'pool.csv'}", "dev": 0.2, "truth": "truth"},
            "train": {
                "epochs": 2,
                "batch_size": 8,
                "max_tokens": 12,
                "evaluations": 4,
                "patience": 0,  # to the end: where it ends otherwise is a matter of few tests
                "threads": 1,
                "precision": "float32",
            },
            "ask": {
                "at": [0, 0.5],
                "audit": 0,  # what asking brings is no matter of most tests
                "cards": 6,
                "feature_cards": 1,
                "quorum": 1,
                "deadline": 60,
            },
        }
        for key, value in parts.items():
            raw[key] = {**raw[key], **value} if isinstance(raw.get(key), dict) else value
        return parse_spec(raw, where="the test's spec")

    return make


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A fresh SQLite database."""
    return Store.open(f"sqlite:///{tmp_path / 'joulery.db'}")

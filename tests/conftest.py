"""What all tests share: a tiny real model, a small real data set, a database in a folder."""

from __future__ import annotations

import csv
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from storage.store.store import Store
from trainer.spec import RunSpec, parse_spec

# how long an example takes tells of the machine and of what else it does
settings.register_profile("joulery", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("joulery")


def pytest_configure() -> None:
    """Set what must stand before numpy, torch and rich look at it."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # small models: threads would only wait
    for name in ("COLUMNS", "LINES"):  # a terminal's; readline hands them to workers
        os.environ.pop(name, None)


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


CHAT = (
    "{% for m in messages %}{% if m.role == 'assistant' %}answer : {{ m.content }}</s>"
    "{% else %}{{ m.content }} {% endif %}{% endfor %}"
    "{% if add_generation_prompt %}answer : {% endif %}"
)


@pytest.fixture(scope="session")
def tiny_language_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama of three layers with a tokenizer and a chat template of its own."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("tiny-language-model")
    vocabulary = save_word_tokenizer(folder)
    torch.manual_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=2,
            intermediate_size=64,
            max_position_embeddings=64,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=None,
            eos_token_id=1,
        )
    ).save_pretrained(folder)
    return folder


def save_word_tokenizer(folder: Path, chat: str | None = CHAT) -> int:
    """A tokenizer of whole words with a chat template; how many it knows."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = sorted({w for topic in TOPICS.values() for w in topic} | set(FILLER) | set(TOPICS))
    tokens = ["<pad>", "</s>", "<unk>", "name", "what", "is", "answer", ":", *words]
    tokenizer = Tokenizer(models.WordLevel({t: i for i, t in enumerate(tokens)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=chat,
    ).save_pretrained(folder)
    return len(tokens)


def write_answers(path: Path, n: int, seed: int = 0, wrong: float = 0.0) -> None:
    """A csv of `n` prompts for things of a topic, with answers; a share is of another topic."""
    rng = random.Random(seed)
    labels = sorted(TOPICS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "answer", "truth"])
        for _ in range(n):
            asked = rng.choice(labels)
            is_wrong = rng.random() < wrong
            told = rng.choice([x for x in labels if x != asked]) if is_wrong else asked
            prompt = " ".join(["name", *rng.choices(FILLER, k=3), asked])
            writer.writerow([prompt, " ".join(rng.choices(TOPICS[told], k=4)), not is_wrong])


def write_pairs(path: Path, n: int, seed: int = 0, turned: float = 0.0) -> None:
    """A csv of `n` pairs: of the topic asked for and of another one; a share is turned round."""
    rng = random.Random(seed)
    labels = sorted(TOPICS)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["prompt", "chosen", "rejected", "truth"])
        for _ in range(n):
            asked = rng.choice(labels)
            other = rng.choice([x for x in labels if x != asked])
            pair = [" ".join(rng.choices(TOPICS[topic], k=4)) for topic in (asked, other)]
            is_turned = rng.random() < turned
            prompt = " ".join(["name", *rng.choices(FILLER, k=3), asked])
            truth = "rejected" if is_turned else "chosen"
            writer.writerow([prompt, *(pair[::-1] if is_turned else pair), truth])


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
def answers_spec(
    tiny_spec: Callable[..., RunSpec], tiny_model: Path, tiny_language_model: Path, tmp_path: Path
) -> Callable[..., RunSpec]:
    """Like `tiny_spec`, of prompts with answers."""
    write_answers(tmp_path / "answers.csv", 80, seed=1, wrong=0.3)
    write_answers(tmp_path / "answers-dev.csv", 16, seed=2)

    def make(**parts: Any) -> RunSpec:
        data = {
            "pool": f"csv:{tmp_path / 'answers.csv'}", "dev": f"csv:{tmp_path / 'answers-dev.csv'}",
            **parts.pop("data", {}),
        }  # fmt: skip
        train = {"max_tokens": 32, "lora_lr": 1e-2, **parts.pop("train", {})}
        return tiny_spec(
            **{
                "task": "causal-lm", "model": str(tiny_language_model), "encoder": str(tiny_model),
                "data": data, "train": train,
            } | parts
        )  # fmt: skip

    return make


@pytest.fixture
def pairs_spec(answers_spec: Callable[..., RunSpec], tmp_path: Path) -> Callable[..., RunSpec]:
    """Like `tiny_spec`, of pairs."""
    write_pairs(tmp_path / "pairs.csv", 80, seed=1, turned=0.3)
    write_pairs(tmp_path / "pairs-dev.csv", 16, seed=2)
    data = {"pool": f"csv:{tmp_path / 'pairs.csv'}", "dev": f"csv:{tmp_path / 'pairs-dev.csv'}"}
    return lambda **parts: answers_spec(**{"task": "preference", "data": data} | parts)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A fresh SQLite database."""
    return Store.open(f"sqlite:///{tmp_path / 'joulery.db'}")

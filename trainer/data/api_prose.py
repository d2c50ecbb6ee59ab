"""What a small language model learns to read from: how libraries on this machine are documented.

Nothing of it is in the standard library's docstrings, which its examples ask about. Python's own
language reference comes with every Python; the libraries are ones that Joulery needs anyway.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from trainer.data.duplicates import fingerprint
from trainer.data.stdlib_prompts import Asked, about_areas, about_other_modules, questions

LIBRARIES = (
    "aiohttp", "alembic", "apscheduler", "datasets", "discord", "huggingface_hub", "jinja2",
    "matplotlib", "numpy", "PIL", "psutil", "pydantic", "rich", "slack_sdk", "sqlalchemy", "typer",
    "yaml",
)  # fmt: skip
MARKUP = (":`", "](", "!!!")
"""Of Sphinx and of Markdown, which docstrings of the standard library have hardly any of."""
LEAST_WORDS = 12
"""Shorter paragraphs are headings and remarks."""


def prose() -> list[str]:
    """The paragraphs of Python's language reference, in a fixed order."""
    from pydoc_data.topics import topics

    paragraphs = "\n\n".join(topics[name] for name in sorted(topics)).split("\n\n")
    return list(dict.fromkeys(" ".join(p.split()) for p in paragraphs if _is_prose(p)))


def library_questions() -> list[Asked]:
    """Prompts with answers as `builtin:stdlib` has them, about libraries, and none of its answers."""
    asked = {fingerprint(answer) for _, answer in (*about_areas(), *about_other_modules())}
    leads = ((name, " ".join(doc.partition("\n\n")[0].split())) for name, doc in _documented())
    return [
        (prompt, answer)
        for prompt, answer in questions(leads)
        if fingerprint(answer) not in asked and not any(mark in answer for mark in MARKUP)
    ]


def _is_prose(paragraph: str) -> bool:
    """Rather than a table, an example, or a list of parameters."""
    words = paragraph.split()
    plain = sum(word.isalpha() for word in words)
    return len(words) >= LEAST_WORDS and plain > 0.6 * len(words) and ">>>" not in paragraph


def _documented() -> Iterator[tuple[str, str]]:
    """(full name, docstring) of what the libraries define; read, not run."""
    for library in LIBRARIES:
        spec = find_spec(library)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for path in sorted(Path(folder).rglob("*.py")):
                within = path.relative_to(folder).with_suffix("").parts
                if not any(part.strip("_").startswith("test") for part in within):
                    module = ".".join((library, *within)).removesuffix(".__init__")
                    yield from _docstrings_in(path, module)


def _docstrings_in(path: Path, module: str) -> Iterator[tuple[str, str]]:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SyntaxError):
        return  # a template, or written for another Python
    inside: list[tuple[ast.AST, str]] = [(tree, module)]
    for node, name in inside:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                doc = ast.get_docstring(child)
                if doc:
                    yield f"{name}.{child.name}", doc
                if isinstance(child, ast.ClassDef):
                    inside.append((child, f"{name}.{child.name}"))

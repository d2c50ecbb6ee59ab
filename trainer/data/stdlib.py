"""Real text that every machine has: the docstrings of Python's standard library.

The task: which subject area does this function belong to? The pool is dirty by nature: inherited
one-liners, exact duplicates, and names that another area's module re-exports. Where a docstring
truly belongs is told by the object's own `__module__`.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from types import ModuleType

import numpy as np

from trainer.data.duplicates import fingerprint
from trainer.data.samples import OFF_TOPIC, DataError, Sample
from trainer.spec import DirtSpec

AREAS: dict[str, tuple[str, ...]] = {
    "networking": (
        "socket", "ssl", "socketserver", "http", "urllib", "ftplib", "poplib", "smtplib",
        "imaplib", "xmlrpc", "ipaddress", "select", "selectors", "wsgiref",
    ),
    "mail": ("email", "mailbox"),
    "concurrency": (
        "asyncio", "threading", "multiprocessing", "concurrent", "queue", "subprocess", "sched",
        "contextvars", "signal",
    ),
    "text": ("string", "re", "textwrap", "difflib", "unicodedata", "codecs", "gettext", "locale"),
    "data formats": (
        "json", "csv", "configparser", "tomllib", "plistlib", "xml", "html", "pickle",
        "pickletools", "marshal", "shelve", "struct", "base64", "binascii", "quopri",
    ),
    "files and OS": (
        "os", "posixpath", "ntpath", "io", "pathlib", "shutil", "tempfile", "glob", "fnmatch",
        "stat", "filecmp", "fileinput",
    ),
    "compression": ("zipfile", "tarfile", "gzip", "bz2", "lzma", "zlib", "zipimport"),
    "dates": ("datetime", "calendar", "time", "zoneinfo"),
    "maths": ("math", "cmath", "decimal", "fractions", "statistics", "random", "numbers"),
    "testing": (
        "unittest", "doctest", "pdb", "bdb", "trace", "traceback", "timeit", "cProfile",
        "profile", "pstats", "tracemalloc", "faulthandler",
    ),
    "code analysis": (
        "ast", "dis", "inspect", "tokenize", "symtable", "importlib", "pkgutil", "modulefinder",
        "code", "codeop", "compileall", "py_compile", "runpy", "pyclbr", "typing", "types",
    ),
    "data structures": (
        "collections", "heapq", "bisect", "array", "itertools", "functools", "operator", "enum",
        "dataclasses", "weakref", "copy", "graphlib",
    ),
    "logging": ("logging", "warnings", "syslog"),
    "command line": ("argparse", "optparse", "getopt", "cmd", "curses", "shlex", "getpass"),
}  # fmt: skip
"""Subject area -> the modules (with all their submodules) that make it."""

ELSEWHERE = (
    "ctypes", "sqlite3", "dbm", "hashlib", "hmac", "secrets", "uuid", "webbrowser", "turtle",
    "tkinter", "colorsys", "wave", "gc", "sys", "atexit", "builtins", "site", "platform",
    "mimetypes", "venv", "ensurepip", "readline", "resource", "mmap", "cgi",
)  # fmt: skip
"""Modules of no area: the source of off-topic samples."""

IMPLEMENTED_IN = {
    "posix": "files and OS", "nt": "files and OS", "pyio": "files and OS",
    "thread": "concurrency", "collections_abc": "data structures", "abc": "data structures",
    "sre": "text", "frozen_importlib": "code analysis", "frozen_importlib_external": "code analysis",
    "elementtree": "data formats", "pyexpat": "data formats", "pydecimal": "maths",
    "pydatetime": "dates", "strptime": "dates",
}  # fmt: skip
"""Private or built-in module (leading underscore off) -> the area it implements."""

MIN_WORDS = 5
MIN_AREA = 200  # distinct clean texts an area needs, or it is left out
DEV_PER_AREA = 10
TEST_PER_AREA = 50
POOL_SIZE = 1800


@dataclass(frozen=True, slots=True)
class Docstring:
    """One docstring where it was found."""

    area: str
    text: str  # "TarFile.makedir: Make a directory called targetpath."
    home: str  # the area of the module that defines the object, or OFF_TOPIC
    name: str  # "tarfile.TarFile.makedir", with the module that defines it
    lead: str  # the docstring's first paragraph, on one line


def read_stdlib(
    split: str, *, seed: int, limit: int | None, dirt: DirtSpec
) -> tuple[list[Sample], int]:
    """(samples, areas left out as too small) of one split.

    `pool` is dirty as stated, `dev` and `test` are clean; the three are disjoint by text.

    Raises:
        DataError: this Python carries too few docstrings.
    """
    clean, left_out = _clean_by_area()
    rng = np.random.default_rng([seed, 1])
    held_out: set[str] = set()
    samples: dict[str, list[Sample]] = {"dev": [], "test": []}
    for area, texts in clean.items():
        order = rng.permutation(len(texts))
        for name, start, n in (
            ("dev", 0, DEV_PER_AREA),
            ("test", DEV_PER_AREA, TEST_PER_AREA),
        ):
            for i in order[start : start + n]:
                held_out.add(fingerprint(texts[i]))
                number = len(samples[name])
                samples[name].append(Sample(f"{name}-{number}", {"text": texts[i]}, area, area))
    if split in samples:
        return samples[split], left_out
    free = [d for d in docstrings() if fingerprint(d.text) not in held_out and d.area in clean]
    off_topic = [
        d for d in docstrings() if d.area not in AREAS and fingerprint(d.text) not in held_out
    ]
    return _dirty_pool(free, off_topic, limit or POOL_SIZE, dirt, rng), left_out


def _clean_by_area() -> tuple[dict[str, list[str]], int]:
    """Area -> sorted distinct texts that belong to it alone, small areas left out."""
    claims: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for found in docstrings():
        if found.area != OFF_TOPIC:
            claims[found.text].add((found.area, found.home))
    by_area: dict[str, list[str]] = defaultdict(list)
    for text, where in claims.items():
        (area, home), *more = where
        if not more and area == home:
            by_area[area].append(text)
    large = {a: sorted(texts) for a, texts in sorted(by_area.items()) if len(texts) >= MIN_AREA}
    if len(large) < 2:
        raise DataError(
            f"only {sum(map(len, by_area.values()))} docstrings found in this Python; "
            "run without -OO, or name another data source"
        )
    return large, len(AREAS) - len(large)


def _dirty_pool(
    free: list[Docstring],
    off_topic: list[Docstring],
    size: int,
    dirt: DirtSpec,
    rng: np.random.Generator,
) -> list[Sample]:
    """About `size` samples, every area alike, with the stated shares of dirt on top of nature's."""
    by_area: dict[str, list[Docstring]] = defaultdict(list)
    for found in free:
        by_area[found.area].append(found)
    areas = sorted(by_area)
    each = {a: [by_area[a][i] for i in rng.permutation(len(by_area[a]))] for a in areas}
    rows: list[tuple[str, str, str]] = []  # (text, label, truth)

    def take(area: str, n: int) -> list[Docstring]:
        taken, each[area] = each[area][:n], each[area][n:]
        return taken

    bulk_from, bulk_to = rng.choice(areas, size=2, replace=False)
    n_shuffled, n_bulk, n_off = (
        round(size * share) for share in (dirt.shuffled, dirt.bulk, dirt.off_topic)
    )
    n_plain = size - n_shuffled - n_bulk - n_off
    for number, area in enumerate(areas):  # before the bulk error, so that no area is emptied
        count = n_plain // len(areas) + (number < n_plain % len(areas))
        rows += [(d.text, d.area, d.home) for d in take(area, count)]
    rows += [(d.text, str(bulk_to), d.home) for d in take(str(bulk_from), n_bulk)]
    for number in range(n_shuffled):
        for found in take(areas[number % len(areas)], 1):
            wrong = str(rng.choice([a for a in areas if a != found.area]))
            rows.append((found.text, wrong, found.home))
    for i in rng.permutation(len(off_topic))[:n_off]:
        rows.append((off_topic[i].text, str(rng.choice(areas)), OFF_TOPIC))
    return [
        Sample(f"pool-{n}", {"text": rows[i][0]}, rows[i][1], rows[i][2])
        for n, i in enumerate(rng.permutation(len(rows)))
    ]


@cache
def docstrings() -> tuple[Docstring, ...]:
    """All docstrings, repetitions included, in a fixed order.

    Libraries change what they import (torch replaces functions of `inspect`), so the fork server
    reads them before it loads any: then every child of every run finds the same pool.
    """
    home = IMPLEMENTED_IN | {m: area for area, modules in AREAS.items() for m in modules}
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated modules are text like any other
        for area, modules in [*AREAS.items(), (OFF_TOPIC, ELSEWHERE)]:
            for name in modules:
                for module in _with_submodules(name):
                    for qualname, doc, owner in _objects(module):
                        top = owner.split(".")[0].lstrip("_")
                        text = f"{qualname}: {_on_one_line(doc)[:600]}"
                        lead = _on_one_line(doc.strip().partition("\n\n")[0])
                        where = home.get(top, OFF_TOPIC)
                        full_name = f"{owner.lstrip('_')}.{qualname}"
                        found.append(Docstring(area, text, where, full_name, lead))
    shared: dict[str, set[str]] = defaultdict(set)
    for d in found:
        shared[d.text.partition(": ")[2]].add(d.home)
    return tuple(
        # a docstring found under several homes is boilerplate: it says nothing about any of them
        replace(d, home=OFF_TOPIC)
        if len(shared[d.text.partition(": ")[2]] - {OFF_TOPIC}) > 1
        else d
        for d in found
    )


def _with_submodules(name: str) -> Iterator[ModuleType]:
    try:
        top = importlib.import_module(name)
    except ImportError:  # not on this platform, or left out of this build
        return
    yield top
    for info in sorted(pkgutil.iter_modules(getattr(top, "__path__", ())), key=lambda i: i.name):
        if info.name.startswith("test") or info.name == "__main__":
            continue
        try:
            yield importlib.import_module(f"{name}.{info.name}")
        except ImportError:
            continue


def _objects(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    """(qualified name, docstring, defining module) of everything callable inside."""
    for name in sorted({*vars(module), *dir(module)}):  # dir also names what is bound lazily
        value = getattr(module, name, None)
        members = [(name, value)]
        if inspect.isclass(value):
            members += [(f"{name}.{key}", v) for key, v in sorted(vars(value).items())]
        for qualname, member in members:
            if not (callable(member) or inspect.isdatadescriptor(member)):
                continue
            doc = inspect.getdoc(member)
            if isinstance(doc, str) and len(doc.split()) >= MIN_WORDS:
                owner = getattr(member, "__module__", None) or getattr(value, "__module__", None)
                owner = owner or module.__name__
                if (
                    owner.partition(".")[0] in sys.stdlib_module_names
                ):  # else a library put it there
                    yield qualname, doc, owner


def _on_one_line(text: str) -> str:
    return " ".join(text.split())

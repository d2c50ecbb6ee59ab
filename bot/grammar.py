"""The closed language of card threads: `refund 5`, `+refund -typo`, `3: yes`, `label: X`. Pure.

On a 'which of these?' card a label's name or its number is the whole answer, on a pair its side. On
a sheet `3 7` says that these two do not fit and all others do; `all fit` and `none fit` what they say.

Only names that stand on the card count, so that a thread can be talked in freely: `price is 5
dollars` is prose, `refund=5` is a vote.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from storage.models import WHOLE_CARD, Ballot, Choice, SubjectKind

QUOTES = "\"'`*~\u201c\u201d\u2018\u2019\u201e\u00ab\u00bb"
TYPED = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-") | {"\u2019": "'"})
"""What phones make of a dash and an apostrophe: “can’t tell” is typed so."""
WORDS_FOR = {"+1": "yes", "-1": "no", "y": "yes", "n": "no"}
ALMOST = re.compile(r"(?:^|(?<=[\s,;]))(?:[+-](\w{3,})|(\w{3,})\s*=\s*[0-5])(?=$|[\s,;])")
WHICH_ONES = re.compile(r"#?\d{1,3}(?:(?:\s*[,;&]\s*|\s+and\s+|\s+)#?\d{1,3})*", re.IGNORECASE)
ALL_OF_THEM = re.compile(r"(all|none)(?: of (?:them|these))? fits?[.!]?", re.IGNORECASE)
"""Without `fit` it would be open what is meant: all that is there, or all that is asked for?"""
NEAR = 2
MAX_TEXT = 500
PICTURES_ALONE = (
    "This model reads pictures alone, so what a label means cannot be told it in words. Say what a "
    "picture shows: “label: NAME”."
)


@dataclass(frozen=True, slots=True)
class Said:
    """One thing a reply says: a value for a subject, or a text such as a label."""

    subject: str
    value: float | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Spoken:
    """All that a reply says, and what to whisper when it was nearly understood."""

    said: tuple[Said, ...] = ()
    hint: str = ""


def read_reply(text: str, ballot: Ballot) -> Spoken:
    """What a reply in a card's thread says; prose says nothing."""
    clean = html.unescape(text).translate(TYPED).strip()
    reader = _Reader(ballot)
    said: dict[str, Said] = {}
    hint = ""
    for line in clean.splitlines():
        found, line_hint = reader.line(line.strip())
        said |= {one.subject: one for one in found}
        hint = hint or line_hint
    return Spoken(tuple(said.values()), hint)


class _Reader:
    """Reads lines against the vocabulary of one ballot."""

    def __init__(self, ballot: Ballot) -> None:
        self._ballot = ballot
        self._samples = [s for s in ballot.subjects if s.kind is not SubjectKind.FEATURE]
        features = [s for s in ballot.subjects if s.kind is SubjectKind.FEATURE]
        self._features = {_fold(s.target): s.key for s in features}
        self._numbers = {str(i): s.key for i, s in enumerate(features, start=1)}
        self._labels = {_fold(label): label for label in ballot.labels}
        self._choices = _spellings(ballot)
        self._options = {c.names: c for c in ballot.choices if c.names is not None}
        # a feature card speaks of one label, so its thread need not name it
        about = {s.label for s in features}
        self._only_label = about.pop() if len(about) == 1 else None

    def line(self, line: str) -> tuple[list[Said], str]:
        if not line:
            return [], ""
        verdict = self._verdict(line)
        if verdict:
            return verdict, ""
        if self._ballot.is_sheet and WHICH_ONES.fullmatch(line):
            return self._all_but(re.findall(r"\d+", line))
        whole = ALL_OF_THEM.fullmatch(line) if self._ballot.is_sheet else None
        if whole:
            return self._all("yes" if whole[1].lower() == "all" else "no"), ""
        keyed = re.fullmatch(r"(label|words|about)\b\s*(.*)", line, re.IGNORECASE | re.DOTALL)
        if keyed:
            return self._about_labels(keyed[1].lower(), keyed[2])
        return self._feature_votes(line) if self._features else ([], "")

    # --- yes, no, 3: yes ------------------------------------------------------------------------

    def _verdict(self, line: str) -> list[Said]:
        """A whole line that answers for the only sample, or `3: yes, 5: no` for several.

        On a feature card: that one cannot tell, or that it is bad.
        """
        if self._features:
            choice = self._choice(line)
            return [Said(WHOLE_CARD, choice.value, choice.id)] if choice else []
        if len(self._samples) == 1:
            choice = self._choice(line)
            return [Said(self._samples[0].key, choice.value, choice.id)] if choice else []
        keys = {s.key.lower(): s.key for s in self._samples}
        said = []
        for part in re.split(r"[,;]", line):
            match = re.fullmatch(r"\s*#?(\w+)\s*[:=\s]\s*(\S.*)", part)
            choice = self._choice(match[2]) if match else None
            if match is None or choice is None or match[1].lower() not in keys:
                return []
            said.append(Said(keys[match[1].lower()], choice.value, choice.id))
        return said

    # --- 3 7, all fit, none fit -----------------------------------------------------------------

    def _all_but(self, numbers: Sequence[str]) -> tuple[list[Said], str]:
        """Those do not fit, all others do."""
        keys = {str(int(number)) for number in numbers}
        unknown = sorted(keys - {s.key for s in self._samples}, key=int)
        if unknown:
            return [], f"There is no picture {unknown[0]} on this card."
        return [one for one in self._all("no") if one.subject in keys] + [
            one for one in self._all("yes") if one.subject not in keys
        ], ""

    def _all(self, answer: str) -> list[Said]:
        choice = self._choices[answer]
        return [Said(s.key, choice.value, choice.id) for s in self._samples]

    def _choice(self, text: str) -> Choice | None:
        word, exact = _fold(text), text.strip(QUOTES + " ")
        # as it is spelt, before folding, which may join two names; labels outrank short forms
        spelt = self._options.get(exact) or self._choices.get(word)
        return spelt or self._choices.get(WORDS_FOR.get(word, word))

    # --- label: X, words X: a, b, about X: a sentence -------------------------------------------

    def _about_labels(self, verb: str, rest: str) -> tuple[list[Said], str]:
        if not self._labels or (verb != "label" and self._ballot.ask == "prefer"):
            return [], ""  # sides mean something else on every card
        if verb == "label":
            match = re.fullmatch(r"(?:#?(\w+)\s*)?:\s*(.+)", rest)
            if match is None or not self._samples:
                return [], ""
            if match[1] is None and len(self._samples) > 1:
                return [], "Which picture? Say its number, too, e.g. “label 3: NAME”."
            label, hint = self._label(match[2])
            key = match[1] or self._samples[0].key
            known = {s.key for s in self._samples}
            return ([self._named(key, label)] if label and key in known else []), hint
        name, colon, words = self._split(rest)
        label, hint = self._label(name) if name.strip() else (self._only_label, "")
        if not colon or label is None:
            return [], hint if colon else ""
        text = " ".join(words.split())[:MAX_TEXT]
        if text and self._ballot.shows_pictures:
            return [], PICTURES_ALONE
        return ([Said(f"{verb}.{label}", None, text)] if text else []), ""

    def _named(self, key: str, label: str) -> Said:
        """A label by its name: one that stands on the card is that answer, like its button."""
        option = self._options.get(label)
        return Said(key, option.value, option.id) if option else Said(f"{key}.label", None, label)

    def _split(self, rest: str) -> tuple[str, str, str]:
        """`name: words`, where the name may hold colons itself: the longest one we know."""
        cuts = [i for i, sign in enumerate(rest) if sign == ":"]
        known = [i for i in cuts if _fold(rest[:i]) in self._labels]
        if not known:
            return rest.partition(":")
        return rest[: known[-1]], ":", rest[known[-1] + 1 :]

    def _label(self, text: str) -> tuple[str | None, str]:
        """(the label, hint): exact but for case, quotes and underscores, else the nearest names."""
        word, exact = _fold(text), text.strip(QUOTES + " ")
        if exact in self._ballot.labels:  # before folding, which may join two names
            return exact, ""
        if word in self._labels:
            return self._labels[word], ""
        near = process.extract(word, list(self._labels), limit=3, score_cutoff=40)
        names = ", ".join(self._labels[name] for name, _, _ in near)
        hint = f"There is no label “{text.strip()[:40]}”."
        return None, f"{hint} Did you mean {names}?" if names else hint

    # --- refund 5, +refund, -typo ---------------------------------------------------------------

    def _feature_votes(self, line: str) -> tuple[list[Said], str]:
        strict = self._whole_line(line)
        if strict:
            return strict, ""
        said = [s for m in self._marked.finditer(line) if (s := self._said(m))]
        return said, "" if said else self._near_miss(line)

    def _whole_line(self, line: str) -> list[Said]:
        """Nothing but items, so that even `refund 5` cannot be prose."""
        said, position = [], 0
        while position < len(line):
            match = self._item.match(line, position)
            if match is None:
                return []
            found = self._said(match)
            if found is None:
                return []
            said.append(found)
            position = match.end()
            position += len(line[position:]) - len(line[position:].lstrip(" \t,;"))
        return said

    def _said(self, match: re.Match[str]) -> Said | None:
        groups = match.groupdict()
        name = groups.get("signed") or groups.get("named") or groups.get("spaced")
        number = groups.get("number")
        key = self._features.get(_fold(name)) if name else self._numbers.get(number or "")
        if key is None:
            return None
        if groups.get("signed"):
            strength = int(groups["times"] or 3) * (-1 if groups["sign"] == "-" else 1)
        else:
            strength = int(groups.get("level") or groups.get("loose") or groups.get("at") or 0)
        return Said(key, strength / 5, str(strength))

    @cached_property
    def _name(self) -> str:
        names = sorted(self._features, key=len, reverse=True)
        spelt = "|".join(re.sub(r"(?:\\ |_)", r"[\\s_]+", re.escape(n)) for n in names)
        q = re.escape(QUOTES)
        return rf"[{q}]*(?:{spelt})[{q}]*"

    def _pattern(self, *forms: str) -> re.Pattern[str]:
        return re.compile(rf"(?:{'|'.join(forms)})(?=$|[\s,;])", re.IGNORECASE)

    @cached_property
    def _signed(self) -> str:
        return rf"(?P<sign>[+-])(?P<signed>{self._name})(?:\s+x(?P<times>[1-5]))?"

    @cached_property
    def _equated(self) -> str:
        return rf"(?P<named>{self._name})\s*[=:]\s*(?P<level>[+-]?[0-5])"

    @cached_property
    def _marked(self) -> re.Pattern[str]:
        """Forms that cannot be prose: a sign or an equals sign beside a name of the card."""
        counted = r"\#(?P<number>\d+)\s*[=:]\s*(?P<at>[+-]?[0-5])"
        return self._pattern(
            *(rf"(?:^|(?<=[\s,;])){form}" for form in (self._signed, self._equated, counted))
        )

    @cached_property
    def _item(self) -> re.Pattern[str]:
        """Those, and the forms with a mere blank."""
        counted = r"\#(?P<number>\d+)(?:\s*[=:]\s*|\s+)(?P<at>[+-]?[0-5])"
        spaced = rf"(?P<spaced>{self._name})\s+(?P<loose>[0-5])"
        return self._pattern(self._signed, self._equated, counted, spaced)

    def _near_miss(self, line: str) -> str:
        for match in ALMOST.finditer(line):
            word = _fold(match[1] or match[2])
            for name in self._features:
                if 0 < Levenshtein.distance(word, name) <= NEAR:
                    return f"Did you mean {name}?"
        return ""


def _spellings(ballot: Ballot) -> dict[str, Choice]:
    """Every way to write an answer; what a label is called outranks what else is spelt so."""
    found: dict[str, Choice] = {}
    for choice in ballot.choices:
        found[_fold(choice.id)] = choice
        if choice.names is not None:
            found[_fold(choice.id.removeprefix("#"))] = choice
    found |= {_fold(c.label): c for c in ballot.choices if c.names is None}
    found |= {_fold(name): c for c in ballot.choices if c.names for name in (c.label, c.names)}
    return found


def _fold(text: str | None) -> str:
    plain = (text or "").translate(TYPED).strip(QUOTES + " ")
    return " ".join(plain.replace("_", " ").casefold().split())

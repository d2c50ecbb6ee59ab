"""Texts that are the same but for how they are written: one card can stand for all of them. Pure.

Same words first: case, punctuation, blanks and numbers put aside, equal texts are found by their
key. One misspelt word in a longer text next: texts that are equal once that word is masked, found
by a hash per place (the idea of SymSpell's deletes, W. Garbe 2012, applied to words and letters).
What is merged wrongly is lost from training, so whatever may change the meaning is left apart.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from rapidfuzz.distance import OSA

MIN_WORDS_BESIDE_NUMBERS = 3
"""Shorter texts mean their numbers: `route 66` is not `route 67`."""
WORDS_PER_NUMBER = 2
"""Nor are numbers put aside where a text is full of them."""
MIN_WORDS_TO_MISSPELL = 6
"""In shorter texts every word counts."""
MIN_LETTERS, MAX_LETTERS = 5, 30
"""Short words are one letter from one another: `sent` and `send`, `card` and `cord`."""
LONG_WORD = 7
"""Two words so long are hardly one letter apart unless one is misspelt."""
RARE = 20
"""Or else the misspelling is so many times rarer than the word."""
SEEN = 3
"""A word that stands in so many texts is a word, unless that other one is far more frequent."""

NUMBER = "0"
_NUMBERS = re.compile(
    r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"  # a UUID
    r"|\b(?=\w{8})(?:[^\W\d]*\d){4}\w*"  # an id, e.g. 3f9c21b7, but not sha256sum
    r"|\b\d+(?:[.,:/-]\d+)*(?=[^\W\d_]{2}|\b)"  # 5, 10.50, 2024-05-01, the 5 of 5km; not 3d or mp3
)
_NUMBER_RUNS = re.compile(r"(?<!\S)0(?: 0)+(?!\S)")
_INSIDE_NUMBERS = re.compile(r"(?<=\d)[\s.,:/-]+(?=\d)|(?<!\S)[-.](?=\d)")  # 1.5 is not 15
_SAD = re.compile(r"[:;=]['-]?\(")
_APOSTROPHES = "'\u2019\u02bc`\u00b4"


class _Spelling(dict[int, str]):
    """What `str.translate` makes of a character: sentence marks become blanks, symbols words."""

    def __missing__(self, code: int) -> str:
        char = chr(code)
        kind = unicodedata.category(char)
        if char in _APOSTROPHES:  # can't is one word, however it is written
            said = ""
        elif kind[0] == "S" or char in "#%&@*":  # c++ is not c#, a thumb up is none down
            said = f" {char} "
        else:
            said = " " if kind[0] in "PZC" else char
        self[code] = said
        return said


_SPELLING = _Spelling()


def fingerprint(text: str) -> str:
    """Equal for texts that differ only in case, width, accents' encoding or white space."""
    return _digest(" ".join(_folded(text).split()))


def near_groups(texts: Sequence[str], labels: Sequence[str]) -> np.ndarray:
    """For each text the first one of its label that says the same: int64 (n,), itself if none.

    The same are texts that differ only in case, punctuation, blanks, in numbers and ids among
    enough words, or in one misspelt word of a longer text. Every text is compared with the first
    of its group, so groups don't drift from one meaning to another.

    Args:
        texts: n texts of any length.
        labels: n given labels; texts of different labels are never grouped.

    Raises:
        ValueError: `texts` and `labels` differ in length.
    """
    first: list[int] = []  # of every distinct wording, in the order in which they appear
    number: dict[tuple[str, str], int] = {}
    words, said = _Words(), list[np.ndarray]()
    wording = np.zeros(len(texts), dtype=np.int64)
    for i, (text, label) in enumerate(zip(texts, labels, strict=True)):
        spoken = words_said(text)
        key = (label, _digest("".join(spoken) if spoken else "\0" + fingerprint(text)))
        if key not in number:
            number[key] = len(first)
            first.append(i)
            said.append(words.ids(spoken))
        wording[i] = number[key]
    leader = _leaders(len(first), _misspelt(said, [labels[i] for i in first], words))
    groups: np.ndarray = np.array(first, dtype=np.int64)[leader[wording]]
    return groups


def words_said(text: str) -> list[str]:
    """The words of a text without case, punctuation and apostrophes; `0` for numbers and ids.

    Numbers stand as they are in texts of few words, and in texts that are full of them. Empty
    where there is nothing but punctuation.
    """
    # a sad face is the one piece of punctuation that changes what is meant
    folded = _SAD.sub(" ☹ ", _folded(text)).replace("_", " ")
    masked, found = _NUMBERS.subn(f" {NUMBER} ", folded)
    if found:
        said = _NUMBER_RUNS.sub(NUMBER, " ".join(masked.translate(_SPELLING).split())).split()
        spoken = sum(word[0].isalpha() for word in said)
        if spoken >= max(MIN_WORDS_BESIDE_NUMBERS, WORDS_PER_NUMBER * said.count(NUMBER)):
            return said
    return _INSIDE_NUMBERS.sub("¤", folded).translate(_SPELLING).split()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _leaders(n: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """The first of each group: int64 (n,); only who is alone so far may lead, so nobody chains."""
    leader = np.arange(n)
    for later, earlier in sorted((max(pair), min(pair)) for pair in pairs):
        if leader[later] == later and leader[earlier] == earlier:
            leader[later] = earlier
    return leader


def _misspelt(
    texts: Sequence[np.ndarray], labels: Sequence[str], words: _Words
) -> list[tuple[int, int]]:
    """Pairs of texts with one label that are equal but for the spelling of one word."""
    label_id = {label: i for i, label in enumerate(dict.fromkeys(labels))}
    by_length: dict[int, list[int]] = defaultdict(list)
    for i, text in enumerate(texts):
        if len(text) >= MIN_WORDS_TO_MISSPELL:
            by_length[len(text)].append(i)
    may_be_misspelt = np.array([_is_spelt(word) for word in words.spelt], dtype=bool)
    pairs: list[tuple[int, int]] = []
    for same_length in by_length.values():
        table = np.stack([np.append(label_id[labels[i]], texts[i]) for i in same_length])
        for a, b in _one_word_apart(table, may_be_misspelt, words):
            pairs.append((same_length[a], same_length[b]))
    return pairs


class _Words:
    """The vocabulary of some texts.

    Attributes:
        spelt: the words by their id.
        seen: in how many texts each stands.
    """

    def __init__(self) -> None:
        self._id: dict[str, int] = {}
        self.spelt: list[str] = []
        self.seen: list[int] = []

    def ids(self, text: Sequence[str]) -> np.ndarray:
        """The word ids of one more text: int32 (len(text),)."""
        for word in dict.fromkeys(text):
            if word not in self._id:
                self._id[word] = len(self.spelt)
                self.spelt.append(word)
                self.seen.append(0)
            self.seen[self._id[word]] += 1
        return np.fromiter((self._id[word] for word in text), np.int32, len(text))

    def is_slip(self, a: int, b: int) -> bool:
        """Whether one of two words is but a misspelling of the other."""
        one, other = self.spelt[a], self.spelt[b]
        rare, common = sorted((self.seen[a], self.seen[b]))
        is_rare = rare * RARE <= common
        is_long = min(len(one), len(other)) >= LONG_WORD and rare < SEEN
        return (is_rare or is_long) and OSA.distance(one, other, score_cutoff=1) <= 1


def _is_spelt(word: str) -> bool:
    """Scripts without case are left alone: there a single character may be a word."""
    has_case = all(letter.upper() != letter for letter in word)
    return has_case and MIN_LETTERS <= len(word) <= MAX_LETTERS


def _one_word_apart(
    table: np.ndarray, may_be_misspelt: np.ndarray, words: _Words
) -> Iterator[tuple[int, int]]:
    """Pairs of rows that differ in one misspelt word alone.

    Args:
        table: int64 (n, 1 + length), a number for the label, then word ids.
        may_be_misspelt: bool (words,).
        words: the vocabulary.
    """
    terms = _scattered(table) * (_scattered(np.arange(table.shape[1])) | np.uint64(1))
    halves = np.array_split(terms, 2, axis=1)
    sums = [half.sum(axis=1, dtype=np.uint64) for half in halves]
    in_company = _is_shared(sums[0]) | _is_shared(sums[1])  # one word leaves one half as it is
    if not in_company.any():
        return
    places = np.flatnonzero(in_company)
    table, terms, whole = table[places], terms[places], (sums[0] + sums[1])[places]
    for column in range(1, table.shape[1]):
        rows = np.flatnonzero(may_be_misspelt[table[:, column]])
        for alike in _runs(whole[rows] - terms[rows, column]):
            for a, b in _slips(rows[alike], table[:, column], words):
                if (table[a] != table[b]).sum() == 1:  # else two hashes met by chance
                    yield int(places[a]), int(places[b])


def _slips(rows: np.ndarray, word: np.ndarray, words: _Words) -> Iterator[tuple[int, int]]:
    """Pairs of `rows` whose words are misspellings: they share what one letter less leaves.

    A letter inside: people seldom miss the first one, and the last one inflects the word.
    """
    by_rest: dict[str, list[int]] = defaultdict(list)
    for row in rows.tolist():
        spelt = words.spelt[word[row]]
        for rest in {spelt} | {spelt[:j] + spelt[j + 1 :] for j in range(1, len(spelt) - 1)}:
            by_rest[rest].append(row)
    for members in by_rest.values():
        for a, b in combinations(members, 2):
            if words.is_slip(int(word[a]), int(word[b])):
                yield a, b


def _runs(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Places of equal keys, where there are several."""
    order = np.argsort(keys, kind="stable")
    cuts = np.flatnonzero(np.diff(keys[order])) + 1
    bounds = np.r_[0, cuts, len(keys)]
    for start in np.flatnonzero(np.diff(bounds) > 1):
        yield order[bounds[start] : bounds[start + 1]]


def _is_shared(keys: np.ndarray) -> np.ndarray:
    """Which keys occur more than once: bool (n,)."""
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    shared: np.ndarray = counts[inverse] > 1
    return shared


def _scattered(numbers: np.ndarray) -> np.ndarray:
    """Numbers spread over 64 bits (splitmix64, Steele, Lea & Flood 2014): uint64, same shape."""
    z = (numbers.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))

"""Which samples a model read together for the first time, so that it reads them so again.

What a batch's samples are computed to depends, in the last bits, on which others were in the batch.
What is kept of a sample from its first batch is lost with the process at a pause: whoever goes on
computes it in the same company, and gets the same bits.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np


class Together:
    """Companies of samples by their first batch, in a file that grows by a line each.

    Args:
        path: of the file; a line that a kill cut off is left out, and written again.
        n: samples there are.
    """

    def __init__(self, path: Path, n: int) -> None:
        self._path = path
        self._companies: list[np.ndarray] = []
        self._of = np.full(n, -1)
        text = path.read_text(encoding="ascii") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            path.write_text(whole, encoding="ascii")
        for line in whole.splitlines():
            self._take(np.array(json.loads(line), dtype=np.int64))

    def companies(self, index: np.ndarray) -> list[np.ndarray]:
        """Samples in the companies in which they are to be read; strangers make one more.

        Args:
            index: int64 (k,); known ones bring along whoever was read with them.
        """
        known = self._of[index]
        found = [self._companies[i] for i in np.unique(known[known >= 0])]
        strangers = index[known < 0]
        if len(strangers):
            with self._path.open("a", encoding="ascii") as file:
                file.write(f"{json.dumps(strangers.tolist())}\n")
            self._take(strangers)
            found.append(strangers)
        return found

    def _take(self, company: np.ndarray) -> None:
        self._of[company] = len(self._companies)
        self._companies.append(company)

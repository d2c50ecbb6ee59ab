"""The trackers' process: points on stdin, a line of JSON each; trouble on stdout. It then ends.

None of their libraries is ever in the bot: they hang, they leak, they load torch where they find it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.tracking.told import Series, Tracked
from bot.tracking.trackers import TRACKERS, Tracker

sys.modules.setdefault("torch", None)  # type: ignore[arg-type] # 210 MiB that no number needs


def tell(name: str, lines: Iterable[dict[str, Any]], folder: Path) -> str:
    """Tell one tracker; what went wrong, in one line, or nothing."""
    at_work: dict[str, Tracker] = {}
    try:
        for line in lines:
            series = Series(**line["series"])
            if series.id not in at_work:
                at_work[series.id] = TRACKERS[name](series, folder)
            point = line["point"]
            at = datetime.fromisoformat(point["at"])
            at_work[series.id].log(Tracked(point["step"], at, point["values"]))
        for tracker in at_work.values():
            tracker.close()
    except ModuleNotFoundError as err:
        extra = f"; run: pip install 'joulery[{name}]'" if err.name != "torch" else ""
        return f"{name}: {err.name} is not installed{extra}"
    except Exception as err:  # noqa: BLE001 -- others' code: whatever it raises is told, not ours to mend
        return f"{name}: {type(err).__name__}: {' '.join(str(err).split())[:300]}"
    return ""


def main() -> None:
    """Read {tracker, folder}, then points; write what went wrong, as JSON."""
    said, sys.stdout = sys.stdout, sys.stderr  # libraries print
    task = json.loads(sys.stdin.readline())
    lines = map(json.loads, sys.stdin)
    json.dump(tell(task["tracker"], lines, Path(task["folder"])), said)


if __name__ == "__main__":
    main()

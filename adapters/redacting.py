"""No token in a log: what libraries say passes a filter."""

from __future__ import annotations

import logging
import re


class Redacted(logging.Filter):
    """Takes secrets out of what a library logs.

    Args:
        secret: what a secret looks like.
    """

    def __init__(self, secret: re.Pattern[str]) -> None:
        super().__init__()
        self._secret = secret

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it always passes."""
        text = record.getMessage()
        if self._secret.search(text) or record.exc_info:
            record.msg, record.args = self._secret.sub("…", text), ()
            record.exc_info = record.exc_text = None  # a traceback shows addresses with secrets
        return True


def quieten(log: logging.Logger, secret: re.Pattern[str]) -> None:
    """Warnings at most, for debug lines show everything; and no secret in those."""
    log.setLevel(logging.WARNING)
    if not any(isinstance(known, Redacted) for known in log.filters):
        log.addFilter(Redacted(secret))

"""Where the web chat listens, what it may be called, and how people reach it."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from adapters.base import ChatSetupError

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        ChatSetupError: the port is in use, or the address is not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as err:
        if err.errno == errno.EADDRINUSE:
            raise ChatSetupError(
                f"Port {port} on {host} is in use; stop the other program or set another port."
            ) from err
        raise ChatSetupError(
            f"The web chat cannot listen on {host}:{port} ({err.strerror}); set another address."
        ) from err


def served_hosts(host: str, port: int, allowed: Sequence[str]) -> frozenset[str]:
    """Values of the Host header that are answered; all others may be an attack (DNS rebinding)."""
    own = {f"{_bracketed(name)}:{port}" for name in (host, *LOOPBACK)}
    return frozenset(name.lower() for name in (*own, *allowed))


def base_url(host: str, port: int, allowed: Sequence[str]) -> str:
    """What people type: the first allowed name, else the address itself.

    Raises:
        ChatSetupError: no port is known yet.
    """
    if allowed:
        return f"http://{allowed[0]}"
    if not port:
        raise ChatSetupError("The web chat has no port yet; connect it first or set one.")
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}
    return f"http://{_bracketed(everywhere.get(host, host))}:{port}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host

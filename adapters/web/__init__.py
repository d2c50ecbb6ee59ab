"""The local web chat: a page and a small JSON API that play the part of a chat server."""

"""The only rooms that open a transaction; one method is one. Reached by `bot` alone."""

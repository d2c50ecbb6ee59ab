"""The conversation: the only room that knows all the others."""

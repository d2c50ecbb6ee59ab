"""Discord: the real discord.py, over its gateway and REST."""

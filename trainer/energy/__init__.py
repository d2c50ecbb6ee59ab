"""Joules, read from outside the training process."""

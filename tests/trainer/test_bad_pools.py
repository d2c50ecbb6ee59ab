"""Odd pools and odd votes, plan in and report out: every one ends in something sensible.

(Being written since 08:43 by a helper; another helper's trainer/data/duplicates.py is left alone.)
"""

"""Benchmarks of the meter, the accounts and the forecasts; all run without a GPU."""

"""Benchmarks: figures with the target each was built for. `joulery bench NAME` runs one."""

"""Benchmarks against other libraries: ratios from one run. `python -m benchmarks.proxy`, and so on."""

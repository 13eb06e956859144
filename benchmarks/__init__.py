"""Benchmarks against other libraries: ratios from one run. `python -m benchmarks`.

Each module here has `cases(size)`, which gives its `Case`s; `size` is how many messages one call handles.
"""

"""Chaos: real processes call a provider that keeps its own books, everything around them breaks, and the books must match the rows.

`python -m benchmarks.chaos` (`make chaos`) is the run, `python -m benchmarks.chaos.selftest` the proof that it can fail.
"""

from __future__ import annotations

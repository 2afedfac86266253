"""Timings of the kit against other ways of doing the same: ``python -m bench.run``."""

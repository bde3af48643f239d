"""Measurements, one command each: `python -m benchmarks.NAME`; all of them: `make bench`."""

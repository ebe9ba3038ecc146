"""Benchmarks of the product, compared with plain SQL in the same run. See README.md in this folder."""

"""Benchmarks: programs that measure Centralino from outside, as its users would. Called by `centralino bench`; no service imports them."""

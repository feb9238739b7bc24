"""Measurements: run by hand, never asserted as times."""

"""The router on real logs."""

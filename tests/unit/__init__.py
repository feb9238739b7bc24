"""Tests of pure code: no process, no network, no file of the system."""

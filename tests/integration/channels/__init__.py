"""Tests of the channel adapters' own calls, against a real HTTP server on this machine."""

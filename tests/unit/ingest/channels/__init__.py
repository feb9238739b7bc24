"""Tests of the channel adapters: providers' requests in, messages out."""

"""Vocabulary, the event log and the edges that every service has."""

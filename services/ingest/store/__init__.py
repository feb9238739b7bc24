"""Ingest's own tables."""

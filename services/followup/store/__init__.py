"""The follow-up service's own tables."""

"""Rules about the project itself: its files, its boundaries, its deployment."""

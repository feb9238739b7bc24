"""Tests that need a real broker, database, browser or mail server, or a real child process."""

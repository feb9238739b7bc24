"""Decides which agent is offered which contact, from the log and back to the log."""

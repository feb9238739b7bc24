"""Acknowledges receipt and asks afterwards, by e-mail."""

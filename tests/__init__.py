"""The tests of Centralino, from pure unit tests to the whole system on real parts (see CONTRIBUTING.md)."""

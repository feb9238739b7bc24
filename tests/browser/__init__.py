"""The console in a real browser, on the whole of Centralino as a child process."""

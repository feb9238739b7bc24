"""The command line: the one place where settings are read and services are put together into processes. No service imports it."""

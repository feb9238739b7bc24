"""The four services and the command that runs them. No service imports another."""

"""One adapter per provider: what it sends made into our messages, and our replies made into its calls."""

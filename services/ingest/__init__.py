"""Takes contacts in from every channel, puts them on the log, and sends what goes out."""

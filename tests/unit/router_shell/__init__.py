"""The router around its core: envelopes, batches, timers, one partition's worker on the memory log."""

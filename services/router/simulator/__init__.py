"""The simulator: the router's own core, driven with inputs that are made up or recorded, in virtual time and without a log."""

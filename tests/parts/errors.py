"""What goes wrong with a part."""


class PartMissingError(Exception):
    """A part that tests need is not there and could not be installed; the message says what to do about it."""


class PartNotOursError(Exception):
    """A test asked to stop or kill a part that somebody else runs (its address came from the environment)."""

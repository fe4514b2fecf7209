"""The exceptions whose one line is meant for the person at the terminal."""


class UserError(Exception):
    """Bad input: one clear line that says what was wrong and what would be right.

    Entry points print the line to stderr and exit with 2; a user sees no traceback.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))  # what a user typed may hold line breaks


class Divergence(Exception):
    """Training cannot go on, since no network has a finite loss. The run is recorded as failed."""

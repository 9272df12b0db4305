"""The one exception for mistakes that a user can correct."""


class InputError(ValueError):
    """What is wrong, the rule, what was received and what to do, as plain text.

    The scripts print the text without a traceback and end with exit code 1. Every
    other exception is a defect of this package and keeps its traceback.
    """

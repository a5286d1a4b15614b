"""The error that is meant for the user."""


class InputError(ValueError):
    """Bad input: the message names the file or key, the rule and, where there is one, the fix.

    The command line prints the message alone. A `ValueError` of another library keeps its traceback.
    """

"""The one exception that is a message to the user."""


class UserError(Exception):
    """What the user gave cannot be used: one line naming the file, the value and the mend.

    The command line prints it as ``fullconv: MESSAGE`` and exits with code 2, without a traceback.
    """

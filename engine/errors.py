"""Errors that a user can cause or meet; each has a message with what is wrong, where, and what to do about it."""


class MtclarError(Exception):
    """A failure with a message for people; the command line prints it and exits with `exit_code`.

    `what` is one sentence: what went wrong and where. `hint` is the remedy.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(MtclarError):
    """A wrong flag, path or combination."""

    exit_code = 2


class ModelError(MtclarError):
    """A network file is missing, damaged, or does not match its card."""


class BackendError(MtclarError):
    """An inference back end cannot run here, or failed while it ran."""


class SupportSetError(MtclarError):
    """A support set is damaged, of another version, made with another encoder, or another kind of file."""


class CalibrationError(MtclarError):
    """No frame of a recording can become a support frame."""


class WriteError(MtclarError):
    """A file could not be written: the disk is full, or refuses. An older file is unchanged."""


class SourceError(MtclarError):
    """A camera, stream or file cannot be opened or read."""


class ServeError(MtclarError):
    """The websocket server cannot start: the port is taken, or the address would be unsafe."""

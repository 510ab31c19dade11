"""Errors that a user can cause or meet: each says what was wrong, where, and what to do about it."""


class MtclarError(Exception):
    """A failure with a message for people; the command line prints it and ends with `exit_code`.

    `what` says what went wrong and where, in one sentence; `hint` says what to do about it.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(MtclarError):
    """The command was asked for something that cannot be: a wrong flag, path or combination."""

    exit_code = 2


class ModelError(MtclarError):
    """A network file is missing, damaged, or not what its card says."""


class BackendError(MtclarError):
    """An inference backend cannot run here, or failed while it ran."""


class SupportSetError(MtclarError):
    """A support set is truncated, of another version, made with another encoder, or not one at all."""


class CalibrationError(MtclarError):
    """A recording gave no frame that a support set could be made of."""


class WriteError(MtclarError):
    """A file could not be written: the disk is full, or refuses. What was there before is unchanged."""


class SourceError(MtclarError):
    """A camera, stream or file cannot be opened or read."""


class ServeError(MtclarError):
    """The websocket server cannot start: the port is taken, or the address would be unsafe."""

"""Errors that a user can cause or meet; each has a message with what is wrong, where, and what to do about it."""

import errno


class MtclarError(Exception):
    """A failure with a message for people; the command line prints it and exits with `exit_code`.

    `what` is one sentence: what went wrong and where. `hint` is the remedy.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        # A file name that is not UTF-8 has surrogates, which no terminal or log can write.
        self.what, self.hint = (text.encode(errors="backslashreplace").decode() for text in (what, hint))
        super().__init__(self.what)
        if self.hint:
            self.add_note(self.hint)  # a traceback in somebody's own program shows it


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


RAISE_MEMORY = "close other programs, or raise the limits of this one (ulimit -v, MemoryMax)"
HINTS = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the whole machine has too many open files: close other programs",
    errno.ENOMEM: RAISE_MEMORY,
    errno.ENOSPC: "make room on the disk",
}


def machine_refusal(error: Exception) -> MtclarError | None:
    """The message for what the machine refused: memory, threads, descriptors, disks; None for any other exception."""
    text = (str(error).splitlines() or [""])[0]
    match error:
        case MemoryError():
            return MtclarError("there is not enough memory", RAISE_MEMORY)
        case ImportError() if "map segment" in text or "allocate memory" in text:
            return MtclarError(f"a library cannot be loaded: {text}", RAISE_MEMORY)
        case RuntimeError() if "start new thread" in text:
            return MtclarError(
                "no further thread can be started", "raise the limits of this program (ulimit -u, TasksMax)"
            )
        case OSError() if error.strerror:
            where = f"{error.filename}: " if error.filename else ""
            return MtclarError(f"{where}{error.strerror}", HINTS.get(error.errno or 0, ""))
        case _ if "Insufficient memory" in text or "bad_alloc" in text:  # OpenCV, ONNX Runtime
            return MtclarError("there is not enough memory", RAISE_MEMORY)
    return None

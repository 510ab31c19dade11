"""Named pieces of work on the path of a frame, for whoever records them: `mtclar-stream bench --trace`.

Without a recorder nothing is timed, and a piece of work costs one look at a variable more.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import ParamSpec, TypeVar

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Recorder = Callable[[str, int | None], AbstractContextManager[object]]
"""Gets the name of a piece of work and the number of its frame, None inside another that has it; entered while it
lasts, on the thread that does it."""

_NOBODY: AbstractContextManager[object] = nullcontext()
_recorder: Recorder | None = None


def record(recorder: Recorder | None) -> None:
    """From now on this recorder gets every piece of work of this process; None: nobody does."""
    global _recorder
    _recorder = recorder


def span(name: str, frame: int | None = None) -> AbstractContextManager[object]:
    """For `with`: a piece of work."""
    return _NOBODY if _recorder is None else _recorder(name, frame)


def spanned(name: str) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Decorates a function that is a piece of work."""

    def decorate(work: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(work)
        def recorded(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            if _recorder is None:
                return work(*args, **kwargs)
            with _recorder(name, None):
                return work(*args, **kwargs)

        return recorded

    return decorate

"""Makes Python on Linux as poor as on Windows, before anything else is imported; children inherit it by PYTHONPATH.

Taken away are modules, signals and functions that Windows has not. An open file cannot be replaced, renamed or deleted,
names may not contain `<>:"|?*`, and our modules must name the encoding of every text file. os.uname, os.getuid and
os.statvfs stay: numpy, platformdirs and multiprocessing ask for them where the system is Linux.
"""

import _socket
import os
import re
import signal
import sys
import warnings
from collections.abc import Callable
from typing import Any

MODULES = ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "readline")
SIGNALS = ("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGTSTP", "SIGPIPE", "SIGALRM")
OS = (
    "fork", "forkpty", "geteuid", "getegid", "getgid", "fchmod", "fchown", "chown", "mkfifo", "O_NOFOLLOW",
    "O_NONBLOCK", "O_DIRECTORY", "sched_getaffinity", "getloadavg", "killpg", "setsid",
)  # fmt: skip
SOCKETS = ("AF_UNIX", "socketpair")  # without it `socket` makes pairs over the loopback, as on Windows
FORBIDDEN = re.compile(r'[<>:"|?*]')
LINUX_PATHS = ("/proc", "/sys", "/dev")

for name in MODULES:
    sys.modules[name] = None  # type: ignore[assignment]  # an import raises ImportError
for module, names in ((signal, SIGNALS), (os, OS), (_socket, SOCKETS)):
    for name in names:
        if hasattr(module, name):
            delattr(module, name)

_readlink, _listdir, _fspath = os.readlink, os.listdir, os.fspath


def _is_open(path: Any) -> bool:
    """Whether this process has the file open."""
    found = os.path.realpath(_fspath(path))
    for number in _listdir("/proc/self/fd"):
        try:
            if _readlink(f"/proc/self/fd/{number}") == found:
                return True
        except OSError:
            continue
    return False


def _check_name(path: Any) -> None:
    if isinstance(path, int):
        return
    text = os.fsdecode(path)
    if not text.startswith(LINUX_PATHS) and FORBIDDEN.search(text):
        raise OSError(22, "Windows has no such file name", text)


def _refusing(function: Callable[..., Any]) -> Callable[..., Any]:
    def refuses(*arguments: Any, **options: Any) -> Any:
        for path in arguments[:2]:
            text = os.fsdecode(path) if isinstance(path, str | bytes | os.PathLike) else "/dev"
            if not text.startswith(LINUX_PATHS):
                _check_name(path)
                if _is_open(path):
                    raise PermissionError(13, "Windows does not touch an open file", _fspath(path))
        return function(*arguments, **options)

    return refuses


def _naming(function: Callable[..., Any]) -> Callable[..., Any]:
    def checks(path: Any, *arguments: Any, **options: Any) -> Any:
        _check_name(path)
        return function(path, *arguments, **options)

    return checks


for name in ("replace", "rename", "unlink", "remove"):
    setattr(os, name, _refusing(getattr(os, name)))
os.mkdir, os.open = _naming(os.mkdir), _naming(os.open)
warnings.filterwarnings("error", category=EncodingWarning, module=r"mtclar\.")

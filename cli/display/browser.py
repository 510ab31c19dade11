"""Opens a page in the user's browser where there is one to see."""

import os
import sys
import webbrowser


def has_display() -> bool:
    """Whether a browser's window could be seen: on Linux only with a display."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def is_watched() -> bool:
    """Whether a person seems to read the output: a terminal, and not in CI."""
    return sys.stdout.isatty() and not os.environ.get("CI")


def open_browser(url: str) -> bool:
    """Opens the page where a person and a display are; False if not."""
    return is_watched() and has_display() and webbrowser.open(url)

"""Opens a page in the user's browser where there is one to see."""

import os
import sys
import webbrowser


def has_display() -> bool:
    """Whether a browser's window could be seen: on Linux only with a display."""
    if not sys.platform.startswith("linux"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(url: str) -> bool:
    """Opens the page unless there is no display, or no person: in CI, or without a terminal. False if not."""
    if os.environ.get("CI") or not sys.stdout.isatty() or not has_display():
        return False
    return webbrowser.open(url)

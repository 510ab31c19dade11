"""Checks that the packages of the optional extra [train] are installed before they are imported."""

from importlib.util import find_spec

from mtclar.engine.errors import MtclarError
from mtclar.engine.installation.extras import install_command


def require(*modules: str, purpose: str) -> None:
    """Raises MtclarError with the pip command when one of the modules is not installed."""
    missing = [name for name in modules if find_spec(name) is None]
    if missing:
        raise MtclarError(f"{purpose} needs {' and '.join(missing)}", install_command("train"))

"""The tokens of operators and viewers, as files for a server that other people may reach."""

from pathlib import Path

OPERATOR, VIEWER = "the-operators-token", "the-audiences-token"


def token_options(folder: Path) -> list[str | Path]:
    """Writes the files that only their owner can read, and returns the options that name them."""
    options: list[str | Path] = []
    for name, token in (("--token-file", OPERATOR), ("--view-token-file", VIEWER)):
        file = folder / name.strip("-")
        file.write_text(token)
        file.chmod(0o600)
        options += [name, file]
    return options

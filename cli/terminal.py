"""Plain sentences in the terminal: no markup in paths and names, no line breaks of ours in a pipe."""

from rich.console import Console


def say(console: Console, text: str, style: str | None = None) -> None:
    """Prints one paragraph as it is."""
    console.print(text, style=style, markup=False, highlight=False, soft_wrap=True)

"""Old command lines, accepted for one release: `calibrate` with `--ui`, `--every`, `--pick` or `--continuous`."""

from collections.abc import Sequence

RECORDING_OPTIONS = ("--every", "--pick", "--continuous")


def current_spelling(arguments: Sequence[str]) -> tuple[list[str], str | None]:
    """The arguments in their current spelling, and a notice when they had an old one."""
    if arguments[:1] != ["calibrate"] or arguments[1:2] in (["page"], ["recording"]):
        return list(arguments), None
    options = list(arguments[1:])
    if any(option.partition("=")[0] in RECORDING_OPTIONS for option in options):
        file = _take_source(options)
        return ["calibrate", "recording", *file, *options], _notice("calibrate recording FILE")
    if "--ui" in options:
        options.remove("--ui")
        return ["calibrate", "page", *options], _notice("calibrate page")
    return list(arguments), None


def _take_source(options: list[str]) -> list[str]:
    """Removes `--source FILE`, and returns the file."""
    for i, option in enumerate(options):
        name, equals, value = option.partition("=")
        if name == "--source" and equals:
            del options[i]
            return [value]
        if option in ("--source", "-s"):
            file = options[i + 1 : i + 2]
            del options[i : i + 2]
            return file
    return ["webcam"]


def _notice(command: str) -> str:
    return f"note: this is `mtclar-stream {command}` now; the old spelling will go with the next release"

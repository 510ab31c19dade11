"""Reference pages as Markdown, from the code: the commands with their options, the messages of the schema."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from mtclar.cli.main import GROUPS, PROGRAM, make_app
from tools.client_types import type_text

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = ROOT / "stream" / "protocol" / "mtclar.v1.schema.json"
STUDIO_SCHEMA = ROOT / "studio" / "protocol" / "studio.v1.schema.json"
DIRECTIONS = {"from_server": "From the server", "from_client": "From a client"}


def commands() -> str:
    """Every command, with its text, arguments and options, under the headings of `mtclar-stream --help`."""
    program = get_command(make_app())
    assert isinstance(program, TyperGroup)
    context = program.make_context(PROGRAM, [], resilient_parsing=True)
    by_heading: dict[str, list[Any]] = {heading: [] for heading in GROUPS.values()}
    for name in program.list_commands(context):
        command: Any = program.get_command(context, name)
        by_heading[command.rich_help_panel].append(command)
    return "\n".join(
        part
        for heading, found in by_heading.items()
        for part in [f"## {heading}\n", *(_command(command, context) for command in found)]
    )


def _command(command: TyperCommand | TyperGroup, parent: Any, depth: int = 3) -> str:
    context = command.make_context(command.name, [], parent=parent, resilient_parsing=True)
    usage = " ".join(command.collect_usage_pieces(context))
    parts = [f"{'#' * depth} {context.command_path}\n", f"```text\n{context.command_path} {usage}\n```\n"]
    parts += [_help(command.help or "")]
    rows = [row for parameter in command.get_params(context) if (row := _row(parameter, context))]
    if rows:
        parts += ["| option | meaning |\n|---|---|\n" + "\n".join(rows) + "\n"]
    if isinstance(command, TyperGroup):
        for name in command.list_commands(context):
            below: Any = command.get_command(context, name)
            parts.append(_command(below, context, depth + 1))
    return "\n".join(parts)


def _help(text: str) -> str:
    """A command's text; paragraphs that keep their lines (\\b) become blocks."""
    paragraphs = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("\b"):
            paragraphs.append("```text\n" + paragraph.removeprefix("\b").strip("\n") + "\n```")
        else:
            paragraphs.append(_plain(paragraph))
    return "\n\n".join(paragraphs) + "\n"


def _row(parameter: Any, context: Any) -> str | None:
    record = parameter.get_help_record(context)
    if record is None:
        name = parameter.make_metavar(context)
        text = getattr(parameter, "help", None) or ""
        return f"| `{_cell(name)}` | {_cell(_plain(text))} |" if text else None
    return f"| `{_cell(record[0])}` | {_cell(_plain(record[1]))} |"


def _plain(text: str) -> str:
    """Text of a help page, as Markdown shows it."""
    for sign in "\\*_<>[]":
        text = text.replace(sign, f"\\{sign}")
    return text


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def messages(schema: Path = SCHEMA) -> str:
    """Every message of a schema with its fields, and the objects within them."""
    definitions = json.loads(schema.read_text())["$defs"]
    named: set[str] = set()
    parts = []
    for direction, heading in DIRECTIONS.items():
        parts.append(f"## {heading}\n")
        for name in (one["$ref"].split("/")[-1] for one in definitions[direction]["oneOf"]):
            named.add(name)
            parts.append(_message(name, definitions[name]))
    within = [
        _message(name, one) for name, one in definitions.items() if name not in named and "properties" in one
    ]
    if within:
        parts += ["## Within messages\n", *within]
    return "\n".join(parts)


def _message(name: str, schema: dict[str, Any]) -> str:
    kind = schema["properties"].get("type", {}).get("const", name)
    rows = "\n".join(_fields(schema))
    about = f"{schema['description']}\n\n" if "description" in schema else ""
    return f"### {kind}\n\n{about}| field | type | required | meaning |\n|---|---|---|---|\n{rows}\n"


def _fields(schema: dict[str, Any]) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, field in schema["properties"].items():
        kind = _cell(type_text(field, ""))
        limits = ", ".join(f"{word} {field[key]}" for key, word in LIMITS.items() if key in field)
        about = ". ".join(part for part in (field.get("description", ""), limits) if part)
        yield f"| `{name}` | `{kind}` | {'yes' if name in required else ''} | {_cell(about)} |"


LIMITS = {
    "minimum": "at least",
    "maximum": "at most",
    "maxLength": "characters at most",
    "maxItems": "entries at most",
}

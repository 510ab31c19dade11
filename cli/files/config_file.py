"""Reads and explains the TOML file that sets the options of a command.

A key is an option's long name without its dashes. Types, limits, defaults and explanations come from the command's
signature, so that none is written twice; an option on the command line takes precedence over the file.
"""

import difflib
import inspect
import re
import textwrap
import tomllib
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mtclar.engine.address import secrets_of
from mtclar.engine.errors import UsageError
from mtclar.engine.files.reading import expand_home, read_input, read_ordinary, readable_by_others

CONFIG_FLAG = "--config"
WIDTH = 100
MAX_BYTES = 2**20
EXAMPLE_HINT = "`mtclar-stream config --example` shows every key"

_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", Path: "a text"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One option as a key of the file."""

    name: str  # parameter of the command
    key: str  # in the file
    kind: type  # str, int, float, bool or Path
    many: bool  # a list of them
    default: Any
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    help: str = ""
    metavar: str = ""

    @property
    def words(self) -> str:
        """The valid values in words."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return f'a list of texts, such as {self.key} = ["..."]' if self.many else _WORDS[self.kind]


def settings_of(command: Callable[..., object]) -> list[Setting]:
    """The options of a command, in their order, without --config itself."""
    hints = typing.get_type_hints(command, include_extras=True)
    found = [_setting(one, hints[one.name]) for one in inspect.signature(command).parameters.values()]
    return [setting for setting in found if f"--{setting.key}" != CONFIG_FLAG]


def _setting(parameter: inspect.Parameter, hint: Any) -> Setting:
    annotation, option = typing.get_args(hint)[:2]
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        (annotation,) = (one for one in typing.get_args(annotation) if one is not types.NoneType)
    many = typing.get_origin(annotation) is list
    if many:
        (annotation,) = typing.get_args(annotation)
    choices: tuple[str, ...] = ()
    if typing.get_origin(annotation) is typing.Literal:
        choices, annotation = typing.get_args(annotation), str
    long = [name.split("/")[0] for name in option.param_decls or () if name.startswith("--")]
    key = long[0].removeprefix("--") if long else parameter.name.replace("_", "-")
    return Setting(
        name=parameter.name,
        key=key,
        kind=annotation,
        many=many,
        default=parameter.default,
        choices=choices,
        least=option.min,
        most=option.max,
        help=option.help or "",
        metavar=option.metavar or "",
    )


# --- reading ------------------------------------------------------------------------------------------------------


def read_config(path: Path, settings: Sequence[Setting]) -> dict[str, Any]:
    """The file's values by parameter. Raises UsageError with the file, the line and a remedy."""
    path = expand_home(path)
    try:
        text = read_input(path, MAX_BYTES, EXAMPLE_HINT).decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not a text file in UTF-8", EXAMPLE_HINT) from error
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path} is not TOML: {error}", EXAMPLE_HINT) from error
    by_key = {setting.key: setting for setting in settings}
    values = {}
    for key, value in content.items():
        where = f"{path}, line {_line_of(key, text)}"
        if key not in by_key:
            raise UsageError(f"{where}: there is no key '{key}'", _hint_for(key, value, by_key))
        values[by_key[key].name] = _checked(by_key[key], value, where)
    return values


def readable_secrets(path: Path) -> bool:
    """Whether other users can read the file and it holds a token, or an address with a secret.

    Call it for a file that `read_config` has accepted.
    """
    path = expand_home(path)
    if not readable_by_others(path):
        return False
    content = tomllib.loads(read_ordinary(path, MAX_BYTES).decode())
    sources = content.get("source", [])
    return bool(content.get("token")) or any(secrets_of(source) for source in sources)


def _line_of(key: str, text: str) -> int:
    """The line of a key or table, which the parser does not report."""
    written = re.compile(rf"^\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[\].=]")
    return next((n for n, line in enumerate(text.splitlines(), 1) if written.match(line)), 1)


def _hint_for(key: str, value: object, by_key: Mapping[str, Setting]) -> str:
    if isinstance(value, dict):
        return "keys are at the top level: leave out the [table]"
    near = difflib.get_close_matches(key.replace("_", "-"), by_key, n=1)
    return f"did you mean '{near[0]}'? {EXAMPLE_HINT}" if near else EXAMPLE_HINT


def _checked(setting: Setting, value: Any, where: str) -> Any:
    values = value if setting.many else [value]
    if not isinstance(values, list) or not all(_fits(setting, one) for one in values):
        kind = "another value" if setting.choices else _kind(value)
        raise UsageError(f"{where}: {setting.key} is {kind}", f"it must be {setting.words}")
    if setting.kind in (int, float):
        least, most = setting.least, setting.most
        if (least is not None and value < least) or (most is not None and value > most):
            limits = [f"at least {least:g}"] if least is not None else []
            limits += [f"at most {most:g}"] if most is not None else []
            raise UsageError(f"{where}: {setting.key} is {value}", f"it must be {' and '.join(limits)}")
    if setting.kind is Path:
        return str(expand_home(value))
    return value


def _fits(setting: Setting, value: object) -> bool:
    if setting.choices:
        return value in setting.choices
    if setting.kind is bool or isinstance(value, bool):
        return setting.kind is bool and isinstance(value, bool)
    if setting.kind is float:
        return isinstance(value, int | float)
    if setting.kind is int:
        return isinstance(value, int)
    return isinstance(value, str) and "\0" not in value  # no path or address contains it


def _kind(value: object) -> str:
    """The type of a value in words; the value itself may be a secret."""
    if isinstance(value, str) and "\0" in value:
        return "a text with a NUL character"
    return {
        bool: "true or false",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
    }.get(type(value), "another value")


# --- explaining ---------------------------------------------------------------------------------------------------


def example(settings: Sequence[Setting], program: str) -> str:
    """A file with every key, its explanation and its default, commented out."""
    lines = [
        f"# Options of `{program} run`, read by `{program} run {CONFIG_FLAG} FILE`.",
        "# Remove the # before a key to set it. The value shown is the default, or an example where there is none.",
        "# A flag on the command line takes precedence. Paths are as on the command line, ~ included.",
        "# With a token or a camera's password in it, keep it private: chmod 600 FILE",
    ]
    for setting in settings:
        lines += ["", *textwrap.wrap(setting.help, WIDTH, initial_indent="# ", subsequent_indent="# ")]
        shown = "  # an example" if setting.default is None else ""
        lines.append(f"#{setting.key} = {_toml(setting)}{shown}")
    return "\n".join(lines) + "\n"


def _toml(setting: Setting) -> str:
    """The default, or an example where there is none."""
    default = setting.default
    if setting.kind is bool:
        return str(bool(default)).lower()
    if isinstance(default, int | float):
        return f"{default:g}"
    if setting.kind in (int, float):
        return f"{max(setting.least or 0, 1):g}"
    sample = setting.choices[0] if setting.choices else (setting.metavar or setting.key).split("|")[0]
    text = f'"{default if default is not None else sample}"'
    return f"[{text}]" if setting.many else text

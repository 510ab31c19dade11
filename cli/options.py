"""Options of several commands, their defaults, and the path of the user's support set."""

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mtclar.engine.backends import BACKENDS
from mtclar.engine.files.reading import expand_home
from mtclar.engine.files.secret_files import first_line
from mtclar.stream.server.config import DEFAULT_HOST, DEFAULT_PORT
from mtclar.stream.sources.base import FORMS

DEFAULT_SUPPORT = "default.mtclar"
DEFAULT_SUBJECT = "me"
WEBCAM = "webcam"
NO_SUPPORT = "none"
HOST, PORT = DEFAULT_HOST, DEFAULT_PORT

PreviewOption = Annotated[
    bool,
    typer.Option(
        "--preview",
        help="Operators may open the camera's picture on the dashboard. It is recorded nowhere; only where no other "
        "machine can reach the server.",
    ),
]
PreviewRemoteOption = Annotated[
    bool,
    typer.Option("--preview-remote", help="Operators on other machines, too, may open the camera's picture."),
]
SourceOption = Annotated[
    str,
    typer.Option(
        "--source",
        "-s",
        metavar="SOURCE",
        help=f"{FORMS}.",
    ),
]
SourcesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        "-s",
        metavar="SOURCE",
        help=f"{FORMS}; webcam is the default. Repeat it for several streams.",
    ),
]
BackendOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help=f"Inference backend: auto, {', '.join(BACKENDS)}; a variant may follow: "
        "onnxruntime:int8, onnxruntime:cuda, tensorrt:fp32.",
    ),
]
ProviderOption = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="The backend's variant: cpu, int8, cuda or tensorrt for onnxruntime."),
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of each network.")]
SkipStillOption = Annotated[
    bool,
    typer.Option(
        "--skip-still",
        help="Let a face that does not change keep its values for up to .25 s, instead of measuring it in every frame.",
    ),
]
EconomyOption = Annotated[
    bool,
    typer.Option(
        "--economy",
        help="Save the battery: look at each face about ten times a second. Messages come at the rate of the source, "
        "with values on a line from look to look, a tenth of a second later.",
    ),
]
NoLiveOption = Annotated[
    bool,
    typer.Option("--no-live", help="Print no live values; changes of a source's state are still printed."),
]
LogOption = Annotated[
    Literal["plain", "json"],
    typer.Option(
        help="plain: sentences; json: one object per line on stderr for every event, and no other output."
    ),
]
ScaleOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOW:HIGH", help="Range of the values in label files: 1:9, -100:100; by default -1:1."
    ),
]
ServerTokenOption = Annotated[
    str | None, typer.Option(help="The server's token. Other users can see it in the process list.")
]
TokenFileOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Read the token from the first line of a file.")
]
NatsOption = Annotated[
    str,
    typer.Option(
        metavar="URL",
        help="The bus: nats://HOST[:PORT][,HOST...][/PREFIX], or nats+tls:// with its options (docs/live/sinks.md).",
    ),
]


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Decorates a command of which a parameter is a dataclass: its fields become options, in the place of it."""
    groups: dict[str, Any] = {
        p.name: p.annotation for p in signature(command).parameters.values() if is_dataclass(p.annotation)
    }
    options: list[Parameter] = []
    for own in signature(command).parameters.values():
        if own.name in groups:
            options += [
                Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
                for field in fields(groups[own.name])
            ]
        else:
            options.append(own.replace(kind=Parameter.KEYWORD_ONLY))

    @wraps(command)
    def with_fields(**given: Any) -> None:
        grouped = {
            name: group(
                **{field.name: given.pop(field.name) for field in fields(group) if field.name in given}
            )
            for name, group in groups.items()
        }
        command(**given, **grouped)

    with_fields.__signature__ = Signature(options)  # type: ignore[attr-defined]  # read by typer
    with_fields.__annotations__ = {option.name: option.annotation for option in options}
    return with_fields


def expanded(path: Path | None) -> Path | None:
    """The path with `~` expanded: a shell does not expand it in `--out=~/me.mtclar`."""
    return None if path is None else expand_home(path)


SummaryOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Write the summary as JSON at the end; an older summary is overwritten.",
        callback=expanded,
    ),
]
CsvOption = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="FILE",
        help="Write one row per face and frame, with the marks, and FILE.json, which says what made it.",
        callback=expanded,
    ),
]
RecordOption = Annotated[
    Path | None,
    typer.Option(
        "--record",
        metavar="FOLDER",
        help="Record all values, marks and states into a new folder in this one, for `replay` and `export`; "
        "operators can stop it and start another on the dashboard (needs the extra parquet).",
        callback=expanded,
    ),
]
RecordOnRequestOption = Annotated[
    bool,
    typer.Option(
        "--record-on-request",
        help="Do not record from the start, only when an operator starts it on the dashboard.",
    ),
]
RecordVideoOption = Annotated[
    bool,
    typer.Option(
        "--record-video",
        help="With --record, also store the video of each stream; the pages then say that faces are filmed.",
    ),
]
ParticipantOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Who is recorded, for tables and recordings: sub-01.", show_default=False
    ),
]
SessionOption = Annotated[
    str,
    typer.Option(
        metavar="NAME", help="Name of the session, for tables and recordings: ses-01.", show_default=False
    ),
]
OutOption = Annotated[
    Path | None,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE",
        help="Output file; by default the support set that `run` uses.",
        callback=expanded,
    ),
]


def read_token(token: str | None, token_file: Path | None) -> str | None:
    """The token, from the command line or from the first line of a file; raises UsageError."""
    from mtclar.engine.errors import UsageError

    if token_file is None:
        return token
    if token is not None:
        raise UsageError("--token and --token-file exclude each other", "choose one")
    read = first_line(token_file, "token", "one line with the token").strip()
    if not read:
        raise UsageError(f"the token file {token_file} is empty", "its first line is the token")
    return read


def default_support_path() -> Path:
    """The support set that `calibrate` writes and `run` reads by default.

    Raises UsageError for a user without a home folder.
    """
    from mtclar.engine.files.reading import user_folder

    return user_folder("data") / DEFAULT_SUPPORT


def backend_spec(backend: str, provider: str | None) -> str:
    """`onnxruntime` and `cuda` -> `onnxruntime:cuda`. UsageError when the backend already has a variant."""
    from mtclar.engine.errors import UsageError

    if provider is None:
        return backend
    if ":" in backend or backend == "auto":
        raise UsageError(
            f"--provider {provider} cannot be combined with --backend {backend}",
            "name a backend, such as --backend onnxruntime",
        )
    return f"{backend}:{provider}"

"""What several commands share: option types, defaults of the command line, and the place of the user's support set."""

from pathlib import Path
from typing import Annotated

import typer

APP_NAME = "mtclar-stream"
DEFAULT_SUPPORT = "default.mtclar"
WEBCAM = "webcam"
NO_SUPPORT = "none"
HOST = "127.0.0.1"
PORT = 8765

SourceOption = Annotated[
    str,
    typer.Option(
        "--source",
        "-s",
        metavar="SOURCE",
        help="webcam, webcam:N, /dev/videoN, rtsp://..., a video file, demo or synthetic.",
    ),
]
BackendOption = Annotated[
    str, typer.Option(metavar="NAME", help="Inference backend: auto or onnxruntime.", show_default=True)
]
ThreadsOption = Annotated[int, typer.Option(min=1, help="Threads of each network.")]
SummaryOption = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write the summary as JSON when it ends.", dir_okay=False)
]


def default_support_path() -> Path:
    """Where `calibrate` writes and `run` reads unless told otherwise: the user's data folder."""
    from platformdirs import user_data_path

    return user_data_path(APP_NAME, appauthor=False) / DEFAULT_SUPPORT

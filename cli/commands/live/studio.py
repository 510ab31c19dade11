"""`mtclar-stream studio`: calibrate, watch, record, rate and export on one page in the browser."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.options import BackendOption, PreviewRemoteOption, ThreadsOption, expanded, with_options
from mtclar.cli.options_of_servers import PreferredPortOptions, ViewTokenFileOption

FOLDER = "studio"


@with_options
def command(
    folder: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where participants and sessions are stored; by default in the user's data folder.",
            callback=expanded,
        ),
    ] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Do not open the page in the browser.")] = False,
    record_video: Annotated[
        bool, typer.Option("--record-video", help="Store the video of recorded sessions too.")
    ] = False,
    preview_remote: PreviewRemoteOption = False,
    *,
    server: PreferredPortOptions,
    view_token_file: ViewTokenFileOption = None,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Open the studio in the browser: choose a camera, calibrate people, watch, record, replay, rate and export.

    Runs until Ctrl-C. Participants and recorded sessions stay in --folder.

    \b
    Examples:
      mtclar-stream studio
      mtclar-stream studio --folder study1 --no-open
      mtclar-stream studio --host 0.0.0.0 --token-file token.txt --tls-cert cert.pem --tls-key key.pem
    """
    import importlib.util

    from mtclar.calibrate.web.opening import calibration_pages
    from mtclar.cli.display.browser import open_browser
    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.main import version
    from mtclar.cli.service.signals import reload_on_hangup, stop_on_signals
    from mtclar.engine.files.reading import user_folder
    from mtclar.engine.files.writing import require_writable
    from mtclar.engine.installation.extras import install_command
    from mtclar.stream.pipeline.preview import Preview
    from mtclar.stream.pipeline.runner import Runner
    from mtclar.stream.server.access import is_loopback
    from mtclar.studio.pages import HOME_PAGE, studio_pages
    from mtclar.studio.storage.folder import StudioFolder
    from mtclar.studio.studio import Studio

    config = server.config(view_token_file=view_token_file)
    console = Terminal()
    chosen = StudioFolder(folder or user_folder("data") / FOLDER)
    require_writable(chosen.participants / "name")
    recorder = None
    if importlib.util.find_spec("pyarrow") is not None:
        from mtclar.stream.sinks.recorder import Recorder

        recorder = Recorder(
            chosen.sessions, at_once=False, video=record_video, program=f"mtclar-stream {version()}"
        )
    with stop_on_signals() as stopped, ExitStack() as stack:
        shown = stack.enter_context(Preview()) if preview_remote or is_loopback(config.host) else None
        runner = Runner([], config, version=version(), recorder=recorder, preview=shown)
        studio = stack.enter_context(
            Studio(runner, chosen, recorder=recorder, backend=backend, threads=threads)
        )
        runner.server.accept_uploads({})
        runner.add_page(HOME_PAGE, studio, studio_pages())
        runner.server.add_extension(studio.calibrations, calibration_pages())
        stack.enter_context(runner)
        stack.enter_context(reload_on_hangup(runner.server))
        print_text(console, f"Studio     {runner.server.url}")
        print_text(console, f"Folder     {chosen.root}")
        if recorder is None:
            print_text(
                console,
                f"Sessions cannot be recorded without pyarrow: {install_command('studio')}",
                "yellow",
            )
        for warning in runner.server.warnings:
            print_text(console, f"warning: {warning}", "yellow")
        print_text(console, "Tell everyone in view that they are being analysed. Ctrl-C ends the studio.")
        if not no_open:
            open_browser(runner.server.url)
        studio.tracking.run(stopped)

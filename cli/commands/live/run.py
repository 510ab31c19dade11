"""`mtclar-stream run`: valence and arousal of every frame over websockets, with the dashboard and other sinks."""

from collections.abc import Callable
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.files.passphrase import PassphraseFileOption
from mtclar.cli.options import (
    WEBCAM,
    BackendOption,
    CsvOption,
    EconomyOption,
    LogOption,
    NoLiveOption,
    ParticipantOption,
    PreviewOption,
    PreviewRemoteOption,
    ProviderOption,
    RecordOnRequestOption,
    RecordOption,
    RecordVideoOption,
    SessionOption,
    SkipStillOption,
    SourcesOption,
    SummaryOption,
    ThreadsOption,
    backend_spec,
    default_support_path,
    with_options,
)
from mtclar.cli.options_of_servers import (
    MaxClientsOption,
    MaxClientsPerAddressOption,
    OriginOption,
    PreferredPortOptions,
    ReadOnlyOption,
    ViewTokenFileOption,
    limits_of,
)
from mtclar.engine.estimate import DEFAULT_SMOOTHER, SMOOTHERS
from mtclar.engine.files.reading import expand_home


def _take_config(context: typer.Context, path: Path | None) -> Path | None:
    """Makes the file's values the defaults of the command line."""
    if path is not None:
        from mtclar.cli.files.config_file import read_config, readable_secrets, settings_of

        context.default_map = read_config(path, settings_of(command))
        if readable_secrets(path):
            typer.echo(f"warning: other users can read the secrets in {path}: chmod 600 {path}", err=True)
    return path


@with_options
def command(
    source: SourcesOption = None,
    support: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE|none",
            help="A support set; repeat it for several people. By default the one that `calibrate` wrote.",
        ),
    ] = None,
    passphrase_file: PassphraseFileOption = None,
    freshness: Annotated[
        str | None,
        typer.Option(
            metavar="latest|all|paced",
            help="latest: the newest frame; all: every frame; paced: a file as if live. By default latest for live "
            "sources, all for files.",
        ),
    ] = None,
    *,
    server: PreferredPortOptions,
    token: Annotated[
        str | None,
        typer.Option(help="Secret that clients must send. Other users can see it in the process list."),
    ] = None,
    view_token_file: ViewTokenFileOption = None,
    read_only: ReadOnlyOption = False,
    origin: OriginOption = None,
    max_clients: MaxClientsOption = None,
    max_clients_per_address: MaxClientsPerAddressOption = None,
    smoother: Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"{', '.join(SMOOTHERS)}; {DEFAULT_SMOOTHER} by default."),
    ] = None,
    max_faces: Annotated[int | None, typer.Option(min=1, max=32, help="Most faces to track.")] = None,
    faces: Annotated[
        str,
        typer.Option(
            metavar="bundled|mediapipe:FILE",
            help="The face finder: the bundled networks, or MediaPipe's own with its face_landmarker.task (needs the "
            "extra mediapipe).",
        ),
    ] = "bundled",
    blendshapes: Annotated[
        bool,
        typer.Option(
            "--blendshapes/--no-blendshapes",
            help="Compute the 52 blendshapes of each face, for `subscribe` and --csv; costs about a fifth more.",
        ),
    ] = False,
    skip_still: SkipStillOption = False,
    economy: EconomyOption = False,
    csv: CsvOption = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file of --csv.")] = False,
    record: RecordOption = None,
    participant: ParticipantOption = "",
    session: SessionOption = "",
    record_on_request: RecordOnRequestOption = False,
    record_video: RecordVideoOption = False,
    sink: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[://ARGUMENT]",
            help="Send the results to another sink as well (docs/live/sinks.md): csv://FILE, record://FOLDER, live, "
            "lsl, osc://HOST:PORT, mqtt://HOST:PORT/TOPIC, nats://HOST, metrics://HOST:PORT, websocket://HOST:PORT, or "
            "module:factory for your own; repeatable.",
        ),
    ] = None,
    markers: Annotated[
        str | None,
        typer.Option(
            metavar="lsl[://NAME]",
            help="Take the markers of other programs, such as PsychoPy, as marks. lsl: every LSL stream of type "
            "Markers on this machine; lsl://NAME: those of one name; lsl://network: other machines' too.",
        ),
    ] = None,
    summary_json: SummaryOption = None,
    no_live: NoLiveOption = False,
    backend: BackendOption = "auto",
    provider: ProviderOption = None,
    threads: ThreadsOption = 1,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            "--calibrate/--no-calibrate",
            help="Serve the calibration page, which shows the camera's picture and writes a support set; by default "
            "only where no other machine can reach it.",
        ),
    ] = None,
    preview: PreviewOption = False,
    preview_remote: PreviewRemoteOption = False,
    batch_wait_ms: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1000,
            help="How long a face may wait for those of other streams, to be encoded with them; by default 2 ms on a "
            "card, and one encoder per stream on the CPU.",
        ),
    ] = None,
    log: LogOption = "plain",
    config: Annotated[  # noqa: ARG001  # its callback reads it
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            is_eager=True,
            callback=_take_config,
            help="Read defaults for these options from a TOML file; `mtclar-stream config --example` shows one.",
        ),
    ] = None,
) -> None:
    """Send the valence and arousal of every frame over websockets, and show them on the dashboard.

    \b
    Examples:
      mtclar-stream run
      mtclar-stream run --source video.mp4 --support anna.mtclar --csv anna.csv
      mtclar-stream run --source browser --host 0.0.0.0 --token-file token.txt
    """
    from mtclar.calibrate.web.opening import CALIBRATE_PAGE, calibration_pages
    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.files.outputs import require_safe
    from mtclar.cli.files.passphrase import passphrase_of
    from mtclar.cli.main import version
    from mtclar.cli.service.calibration import make_registry, subjects_of
    from mtclar.cli.service.given_supports import print_supports, support_paths
    from mtclar.cli.service.run_options import (
        calibrated_on,
        face_landmarker_of,
        open_preview,
        require_no_commands,
    )
    from mtclar.cli.service.service import Service, freshness_named, outputs_of_a_run
    from mtclar.cli.service.signals import reload_on_hangup, stop_on_signals
    from mtclar.engine.data_types import Frame
    from mtclar.engine.errors import MtclarError, UsageError
    from mtclar.engine.support_set import SupportSet, is_encrypted
    from mtclar.engine.tracker import MAX_FACES
    from mtclar.stream.markers import open_markers
    from mtclar.stream.pipeline.mailbox import FRESHNESS
    from mtclar.stream.pipeline.pipeline import PipelineOptions
    from mtclar.stream.pipeline.runner import Runner
    from mtclar.stream.pipeline.streams import open_sources, open_streams
    from mtclar.stream.sinks import open_sink
    from mtclar.stream.sinks.csv_file import CsvSink
    from mtclar.stream.table.provenance import FileIdentity, SetIdentity, TableOrigin

    server_config = server.config(
        log,
        source or [],
        token=token,
        view_token_file=view_token_file,
        read_only=read_only,
        origins=origin or (),
        limits=limits_of(max_clients, max_clients_per_address),
    )
    console = Terminal(quiet=log == "json")

    def say(text: str) -> None:
        print_text(console, text)

    # Every refusal comes before the first file is written.
    with stop_on_signals() as stopped, ExitStack() as stack:
        shown = None
        if preview or preview_remote:
            shown = stack.enter_context(open_preview(server.host, preview_remote))
        policy = None if freshness is None else freshness_named(freshness, FRESHNESS)
        paths = support_paths(support)
        asks = [passphrase_of(path, passphrase_file) for path in paths]
        supports = [SupportSet.load(path, ask) for path, ask in zip(paths, asks, strict=True)]
        secrets = [ask() if is_encrypted(path) else None for path, ask in zip(paths, asks, strict=True)]
        sources = open_sources(stack, source or [WEBCAM])
        if read_only:
            require_no_commands(calibrate, record_on_request, sources)
            calibrate = False
        if record is None and (record_on_request or record_video):
            raise UsageError("--record-on-request and --record-video need --record FOLDER", "name a folder")
        recorder = None
        if record is not None:
            from mtclar.stream.sinks.recorder import Recorder  # needs an extra

            recorder = Recorder(
                record,
                at_once=not record_on_request,
                video=record_video,
                participant=participant,
                session=session,
                program=f"mtclar-stream {version()}",
            )
        face_landmarker = face_landmarker_of(faces)
        inputs = {
            "--source": [file for opened in sources for file in opened.files],
            "--faces": _given(face_landmarker),
            "--support": paths,
            "--token-file": _given(server.token_file),
            "--view-token-file": _given(view_token_file),
            "--passphrase-file": _given(passphrase_file),
            "--tls-cert": _given(server.tls_cert),
            "--tls-key": _given(server.tls_key),
        }
        require_safe(outputs_of_a_run(csv, summary_json, force), inputs)
        streams = open_streams(
            stack,
            sources,
            supports,
            backend=backend_spec(backend, provider),
            threads=threads,
            smoother=smoother or DEFAULT_SMOOTHER,
            max_faces=max_faces or MAX_FACES,
            batch_wait_ms=batch_wait_ms,
            progress=say,
            blendshapes=blendshapes,
            face_landmarker=face_landmarker,
            skip_still=skip_still,
            economy=economy,
        )
        listeners: list[Callable[[Frame], None]] = [] if recorder is None else [recorder.frame]
        registry = None
        if offered := calibrated_on(calibrate, server.host, sources):
            try:
                ask = passphrase_of(default_support_path(), passphrase_file)
                subjects = subjects_of(streams, supports, paths, secrets, ask)
                registry = make_registry(subjects, offered, backend_spec(backend, provider), threads)
            except MtclarError as error:
                reason = "; ".join(filter(None, (error.what, error.hint)))
                print_text(console, f"The calibration page is not served: {reason}", "yellow")
        if registry is not None:
            stack.enter_context(registry)
            listeners.append(registry.enqueue_frame)

        def on_frame(frame: Frame) -> None:
            for listener in listeners:
                listener(frame)

        options = PipelineOptions(freshness=policy, on_frame=on_frame)
        runner = Runner(streams, server_config, options, version=version(), recorder=recorder, preview=shown)
        if registry is not None:
            runner.add_page(CALIBRATE_PAGE, registry, calibration_pages())
        service = stack.enter_context(Service(runner, console, values=not no_live and log == "plain"))
        marking = nullcontext() if markers is None else open_markers(markers, runner.mark, say)
        sinks = [open_sink(spec) for spec in sink or ()]
        if csv is not None:
            table_origin = TableOrigin(
                "run",
                participant,
                session,
                supports=tuple(map(SetIdentity.of, supports, paths)),
                files=tuple(FileIdentity.of(file) for file in inputs["--source"] if file.is_file()),
                parameters={
                    "freshness": policy,
                    "smoother": smoother or DEFAULT_SMOOTHER,
                    "max_faces": max_faces or MAX_FACES,
                    "faces": faces.partition(":")[0],
                    "blendshapes": blendshapes,
                    "skip_still": skip_still,
                    "economy": economy,
                },
            )
            sinks.append(CsvSink(csv, overwrite=force, blendshapes=blendshapes, origin=table_origin))
        if recorder is not None:
            sinks.append(recorder)
            print_text(console, f"Recording  {record}{' with video' if record_video else ''}")
        for opened_sink in sinks:
            stack.callback(opened_sink.close)  # also when nothing runs; a second call does nothing
        stack.enter_context(reload_on_hangup(runner.server))
        print_supports(console, paths, supports, asked_for_none=bool(support))
        service.announce(pictures=registry is not None or shown is not None)
        with marking:
            summary = service.run(stopped, sinks)
        if summary.stopped:
            print_text(console, "Stopped.")
        service.print_summary(summary)
        if summary_json is not None:
            summary.write(summary_json)
            print_text(console, f"Written: {summary_json}")


def _given(path: Path | None) -> tuple[Path, ...]:
    return () if path is None else (expand_home(path),)

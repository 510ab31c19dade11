"""`mtclar-stream calibrate page`: calibration on a page in the browser."""

from contextlib import ExitStack, closing

from mtclar.cli.calibration_target import (
    CalibrationTarget,
    EncryptOption,
    ForceOption,
    HostOption,
    KeepCropsOption,
    PortOption,
    SubjectOption,
)
from mtclar.cli.logs import set_up_logs
from mtclar.cli.options import (
    HOST,
    PORT,
    WEBCAM,
    BackendOption,
    OutOption,
    SourceOption,
    ThreadsOption,
    TlsCertOption,
    TlsKeyOption,
    TokenFileOption,
    read_token,
)
from mtclar.cli.passphrase import PassphraseFileOption
from mtclar.cli.secret_files import warn_if_readable
from mtclar.cli.terminal import Terminal, print_text
from mtclar.engine.errors import CalibrationError


def command(
    source: SourceOption = WEBCAM,
    out: OutOption = None,
    subject: SubjectOption = None,
    keep_crops: KeepCropsOption = False,
    encrypt: EncryptOption = False,
    passphrase_file: PassphraseFileOption = None,
    force: ForceOption = False,
    host: HostOption = HOST,
    port: PortOption = PORT,
    token_file: TokenFileOption = None,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    backend: BackendOption = "auto",
    threads: ThreadsOption = 1,
) -> None:
    """Calibrate on a page in the browser, with an affect grid.

    A video file plays in a loop. An interrupted calibration continues with the same command.

    \b
    Examples:
      mtclar-stream calibrate page
      mtclar-stream calibrate page --source browser --out anna.mtclar
      mtclar-stream calibrate page --source rtsp://camera/stream --keep-crops
    """
    from mtclar.cli.main import version
    from mtclar.cli.service.calibration import CALIBRATE_PAGE, calibration_pages, make_session
    from mtclar.cli.service.service import Service
    from mtclar.cli.service.signals import stop_on_signals
    from mtclar.engine.support_set import SupportSet
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.pipeline import PipelineOptions
    from mtclar.stream.runner import Runner
    from mtclar.stream.server.config import ServerConfig
    from mtclar.stream.sources import open_source
    from mtclar.stream.streams import Stream

    token = read_token(None, token_file)
    set_up_logs("plain", [source], token)
    warn_if_readable(token_file, tls_key)
    console = Terminal()
    target = CalibrationTarget.from_options(out, subject, force)
    secret = target.passphrase(encrypt, passphrase_file)
    with stop_on_signals() as stopped, ExitStack() as stack:
        opened = stack.enter_context(closing(open_source(source, loop=True)))
        target.require_writable({"--source": opened.files})
        tracker = stack.enter_context(
            Tracker.open(backend=backend, threads=threads, progress=lambda text: print_text(console, text))
        )
        saved: list[SupportSet] = []

        def on_saved(support: SupportSet) -> None:
            saved.append(support)
            stopped.set()

        session = make_session(
            [opened],
            target.path,
            subject=target.subject,
            backend=backend,
            threads=threads,
            keep_crops=keep_crops,
            on_saved=on_saved,
            passphrase=secret,
        )
        options = PipelineOptions("latest" if opened.live else "paced", on_frame=session.enqueue_frame)
        config = ServerConfig(host, port, token, tls_cert, tls_key)
        runner = Runner([Stream(opened, tracker)], config, options, version=version())
        runner.add_page(CALIBRATE_PAGE, stack.enter_context(session), calibration_pages())
        service = stack.enter_context(Service(runner, console, values=False))
        service.announce(pictures=True)
        print_text(
            console,
            f"Open {runner.server.url}{CALIBRATE_PAGE} in a browser; Ctrl-C stops and keeps the labels.",
        )
        service.run(stopped)
        if not saved:
            raise CalibrationError(
                "stopped before the support set was saved",
                "the labels are kept: the same command continues with them",
            )
        target.print_written(console, saved[-1])

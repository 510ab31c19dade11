"""`mtclar-stream calibrate page`: calibration on a page in the browser."""

from contextlib import ExitStack, closing

from mtclar.cli.display.terminal import Terminal, counted, print_text
from mtclar.cli.files.calibration_target import PageOptions, require_person
from mtclar.cli.options import WEBCAM, SourceOption, with_options
from mtclar.cli.options_of_servers import ServerOptions
from mtclar.engine.errors import CalibrationError


@with_options
def command(source: SourceOption = WEBCAM, *, options: PageOptions, server: ServerOptions) -> None:
    """Calibrate on a page in the browser, with an affect grid. For a recording: `calibrate recording`.

    An interrupted calibration continues with the same command.

    \b
    Examples:
      mtclar-stream calibrate page
      mtclar-stream calibrate page --source browser --out anna.mtclar
      mtclar-stream calibrate page --source rtsp://camera/stream --keep-crops
    """
    from mtclar.calibrate.web.opening import CALIBRATE_PAGE, calibration_pages, make_session
    from mtclar.cli.main import version
    from mtclar.cli.service.service import Service
    from mtclar.cli.service.signals import stop_on_signals
    from mtclar.engine.support_set import SupportSet
    from mtclar.engine.tracker import Tracker
    from mtclar.stream.pipeline.pipeline import PipelineOptions
    from mtclar.stream.pipeline.runner import Runner
    from mtclar.stream.pipeline.streams import Stream
    from mtclar.stream.sources import open_source

    config = server.config(sources=[source])
    console = Terminal()
    target = options.target()
    secret = target.passphrase(options.encrypt, options.passphrase_file)
    with stop_on_signals() as stopped, ExitStack() as stack:
        opened = stack.enter_context(closing(open_source(source)))
        require_person(opened)
        target.require_writable({"--source": opened.files})
        tracker = stack.enter_context(
            Tracker.open(
                backend=options.backend,
                threads=options.threads,
                progress=lambda text: print_text(console, text),
            )
        )
        saved: list[SupportSet] = []

        def on_saved(support: SupportSet) -> None:
            saved.append(support)
            tracker.replace_support(support)
            print_text(
                console,
                f"Saved: {counted(len(support), 'frame')} of '{support.subject}'. {runner.server.url} shows values "
                "with it; Done on the page or Ctrl-C ends.",
            )

        session = make_session(
            [opened],
            target.path,
            subject=target.subject,
            backend=options.backend,
            threads=options.threads,
            keep_crops=options.keep_crops,
            on_saved=on_saved,
            on_done=stopped.set,
            passphrase=secret,
        )
        pipeline = PipelineOptions(on_frame=session.enqueue_frame)
        runner = Runner([Stream(opened, tracker)], config, pipeline, version=version())
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

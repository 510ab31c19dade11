"""`mtclar-stream worker`: runs cameras of a fleet, together with other workers on the same bus."""

from pathlib import Path
from typing import Annotated

import typer

from mtclar.cli.files.passphrase import PassphraseFileOption
from mtclar.cli.options import (
    BackendOption,
    LogOption,
    NatsOption,
    ProviderOption,
    ThreadsOption,
    backend_spec,
)


def command(
    nats: NatsOption,
    fleet: Annotated[
        Path, typer.Option(metavar="FILE", help="The cameras: fleet.toml, the same for all workers.")
    ],
    name: Annotated[
        str, typer.Option(help="Name of this worker; by default the machine's and a number.")
    ] = "",
    passphrase_file: PassphraseFileOption = None,
    balance: Annotated[
        bool,
        typer.Option(
            "--balance/--no-balance",
            help="Give streams to less busy workers; each is interrupted for a second.",
        ),
    ] = True,
    backend: BackendOption = "auto",
    provider: ProviderOption = None,
    threads: ThreadsOption = 1,
    metrics: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve /metrics for Prometheus there, to everybody who reaches it; 127.0.0.1:9100 for this machine.",
        ),
    ] = "",
    log: LogOption = "plain",
) -> None:
    """Run cameras of a fleet and publish their values: workers on the same bus share the cameras among themselves.

    \b
    Examples:
      mtclar-stream worker --nats nats://bus --fleet fleet.toml
      mtclar-stream fleet status --nats nats://bus
    """
    import os
    import socket
    from contextlib import ExitStack

    from mtclar.cli.display.logs import event, set_up_logs
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.files.passphrase import passphrase_of
    from mtclar.cli.main import version
    from mtclar.cli.service.fleet import fleet_module
    from mtclar.cli.service.signals import stop_on_signals
    from mtclar.cli.service.systemd import Supervisor
    from mtclar.engine.errors import ServeError
    from mtclar.stream.bus.address import parse_bus
    from mtclar.stream.fleet.fleet_file import read_fleet
    from mtclar.stream.pipeline.streams import tracker_opener
    from mtclar.stream.sinks.prometheus import open_metrics

    bus, cameras = parse_bus(nats), read_fleet(fleet)
    set_up_logs(log, [camera.source for camera in cameras.values()])
    console = Terminal(quiet=log == "json")
    module = fleet_module("worker")
    page = open_metrics(metrics) if metrics else None
    supervisor = Supervisor()
    with stop_on_signals() as stopped, ExitStack() as stack:
        worker = module.Worker(
            bus,
            cameras,
            name or f"{socket.gethostname()}-{os.getpid()}",
            open_tracker=tracker_opener(
                stack, len(cameras), backend=backend_spec(backend, provider), threads=threads
            ),
            passphrase=passphrase_of(fleet, passphrase_file),
            metrics=page,
            version=version(),
            balance=balance,
        )
        stack.enter_context(worker)
        supervisor.ready(f"worker {worker.name}")
        print_text(console, f"Bus        {bus.name}, subjects {bus.prefix}.>")
        if page is not None and page.address is not None:
            print_text(console, f"Metrics    http://{page.address[0]}:{page.address[1]}/metrics")
        print_text(console, f"Worker     {worker.name}, {counted(len(cameras), 'camera')} in {fleet}")
        event("working", f"worker {worker.name}", version=version(), cameras=len(cameras))
        said = None
        while not stopped.wait(1.0):
            worker.check()
            streams = ", ".join(worker.streams) or "no stream"
            trouble = worker.connection.trouble or worker.leases.trouble
            words = trouble or streams
            if words != said and trouble is None:  # the log has that already
                print_text(console, words)
            said = words
            if (failure := worker.failure()) is not None:
                raise ServeError(failure, "the process ends, so that it is started again")
            supervisor.alive(words)
        supervisor.stopping()
        print_text(console, "Giving the streams away.")
    print_text(console, "Stopped.")

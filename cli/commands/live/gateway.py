"""`mtclar-stream gateway`: serves the streams of any number of workers on a NATS bus."""

from mtclar.cli.options import LogOption, NatsOption, with_options
from mtclar.cli.options_of_servers import (
    MaxClientsOption,
    MaxClientsPerAddressOption,
    OriginOption,
    ReadOnlyOption,
    ServerOptions,
    ViewTokenFileOption,
    limits_of,
)


@with_options
def command(
    nats: NatsOption,
    *,
    server: ServerOptions,
    view_token_file: ViewTokenFileOption = None,
    read_only: ReadOnlyOption = False,
    origin: OriginOption = None,
    max_clients: MaxClientsOption = None,
    max_clients_per_address: MaxClientsPerAddressOption = None,
    log: LogOption = "plain",
) -> None:
    """Serve the streams of a NATS bus over websockets, with the dashboard: any number of workers and cameras.

    \b
    Examples:
      mtclar-stream gateway --nats nats://127.0.0.1
      mtclar-stream gateway --nats 'nats+tls://gw@bus/ward-4?password-file=nats.secret' --host 0.0.0.0 \\
        --token-file token.txt --view-token-file view.txt
    """
    from contextlib import ExitStack

    from mtclar.cli.display.logs import event
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.main import version
    from mtclar.cli.service.fleet import fleet_module
    from mtclar.cli.service.signals import reload_on_hangup, stop_on_signals
    from mtclar.cli.service.systemd import Supervisor
    from mtclar.stream.bus.address import parse_bus

    config = server.config(
        log,
        view_token_file=view_token_file,
        read_only=read_only,
        origins=origin or (),
        limits=limits_of(max_clients, max_clients_per_address),
    )
    console = Terminal(quiet=log == "json")
    bus = parse_bus(nats)
    gateway = fleet_module("gateway").Gateway(bus, config, version=version())
    supervisor = Supervisor()
    with stop_on_signals() as stopped, ExitStack() as stack:
        stack.enter_context(gateway)
        stack.enter_context(reload_on_hangup(gateway.server))
        supervisor.ready(f"serving {gateway.server.ws_url}")
        print_text(console, f"Bus        {bus.name}, subjects {bus.prefix}.>")
        print_text(console, f"Dashboard  {gateway.server.url}")
        print_text(console, f"Websocket  {gateway.server.ws_url}")
        for warning in gateway.server.warnings:
            print_text(console, f"warning: {warning}", "yellow")
        event("serving", f"serving {gateway.server.ws_url}", version=version(), dashboard=gateway.server.url)
        said = None
        while not stopped.wait(1.0):
            directory = gateway.directory
            words = gateway.connection.trouble or (
                f"{counted(len(directory.infos), 'stream')} of {counted(len(directory.workers), 'worker')}"
            )
            if words != said and gateway.connection.trouble is None:  # the log has that already
                print_text(console, words)
            said = words
            if gateway.failure() is None:
                supervisor.alive(f"{words}; {counted(gateway.server.clients, 'client')}")
        supervisor.stopping()
    print_text(console, "Stopped.")

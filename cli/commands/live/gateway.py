"""`mtclar-stream gateway`: serves the streams of any number of workers on a NATS bus."""

from typing import Annotated

import typer

from mtclar.cli.options import (
    HOST,
    PORT,
    HostOption,
    LogOption,
    NatsOption,
    PortOption,
    ReadOnlyOption,
    TlsCertOption,
    TlsKeyOption,
    TokenFileOption,
    ViewTokenFileOption,
    read_token,
)


def command(
    nats: NatsOption,
    host: HostOption = HOST,
    port: PortOption = PORT,
    token_file: TokenFileOption = None,
    view_token_file: ViewTokenFileOption = None,
    read_only: ReadOnlyOption = False,
    tls_cert: TlsCertOption = None,
    tls_key: TlsKeyOption = None,
    origin: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="Allow pages of this origin to connect; repeatable."),
    ] = None,
    max_clients: Annotated[int | None, typer.Option(min=1, help="Most websockets at once.")] = None,
    max_clients_per_address: Annotated[
        int | None, typer.Option(min=1, help="Most websockets of one address; raise it behind a proxy.")
    ] = None,
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

    from mtclar.cli.display.logs import event, set_up_logs
    from mtclar.cli.display.terminal import Terminal, counted, print_text
    from mtclar.cli.main import version
    from mtclar.cli.service.fleet import fleet_module
    from mtclar.cli.service.service import limits_of
    from mtclar.cli.service.signals import reload_on_hangup, stop_on_signals
    from mtclar.cli.service.systemd import Supervisor
    from mtclar.engine.files.secret_files import warn_if_readable
    from mtclar.stream.bus.address import parse_bus
    from mtclar.stream.server.config import ServerConfig

    secret, view_secret = read_token(None, token_file), read_token(None, view_token_file)
    set_up_logs(log, [], secret, view_secret)
    warn_if_readable(token_file, view_token_file, tls_key)
    console = Terminal(quiet=log == "json")
    bus = parse_bus(nats)
    config = ServerConfig(
        host,
        port,
        secret,
        tls_cert,
        tls_key,
        tuple(origin or ()),
        limits_of(max_clients, max_clients_per_address),
        view_secret,
        read_only,
    )
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

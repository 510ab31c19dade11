"""`mtclar-stream fleet status | move | drain | put`: looks at the workers of a bus and tells them what to do."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mtclar.cli.options import NatsOption

CONNECT_S = 5.0


def command() -> None:
    """Look at a fleet of workers, move streams, empty a worker, store support sets."""


def status(
    nats: NatsOption,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """List the workers with their load, and the streams with their owner."""
    import json as json_module

    from rich.table import Table

    from mtclar.cli.display.terminal import Terminal, counted, print_text

    with _control(nats) as control:
        state = control.state()
    facts = state.facts
    if json:
        typer.echo(json_module.dumps(_as_json(state)))
        return
    console = Terminal()
    workers = Table("worker", "load", "streams", "")
    for name, member in sorted(facts.members.items()):
        workers.add_row(
            name, f"{100 * member.load:.0f} %", str(member.streams), "drained" if member.draining else ""
        )
    console.print(workers)
    streams = Table("stream", "worker", "epoch", "")
    free = set(facts.free)
    for stream in sorted(facts.wanted):
        owner = facts.owners.get(stream)
        notes = [state.troubles.get(stream, "")]
        if stream in facts.wishes:
            notes.append(f"belongs on {facts.wishes[stream]}")
        worker = "-" if owner is None or stream in free else owner.worker or "-"
        streams.add_row(stream, worker, str(owner.epoch if owner else "-"), "; ".join(filter(None, notes)))
    console.print(streams)
    if free:
        print_text(console, f"{counted(len(free), 'stream')} without a worker", "yellow")


def move(
    stream: Annotated[str, typer.Argument(help="Name of a stream.")],
    worker: Annotated[str, typer.Argument(help="Name of a worker; any: wherever there is room.")],
    nats: NatsOption,
) -> None:
    """Move a stream to a worker, where it belongs from now on."""
    with _control(nats) as control:
        control.move(stream, worker)
    typer.echo(f"{stream} belongs on {worker}.")


def drain(
    worker: Annotated[str, typer.Argument(help="Name of a worker.")],
    nats: NatsOption,
    undo: Annotated[bool, typer.Option("--undo", help="It takes streams again.")] = False,
) -> None:
    """Let a worker give its streams to the others, one after the other, and take none."""
    with _control(nats) as control:
        control.drain(worker, undo=undo)
    typer.echo(f"{worker} {'takes streams again' if undo else 'gives its streams away'}.")


def put(
    files: Annotated[
        list[Path], typer.Argument(help="Encrypted support sets; the name is that of the file.")
    ],
    nats: NatsOption,
) -> None:
    """Store encrypted support sets on the bus, for the workers that own their streams."""
    from mtclar.engine.files.reading import MAX_SUPPORT_BYTES, read_input

    contents = {
        file.name.removesuffix(".mtclar"): read_input(file, MAX_SUPPORT_BYTES, "name a support set")
        for file in files
    }
    with _control(nats) as control:
        for name, payload in contents.items():
            control.put_set(name, payload)
            typer.echo(f"Stored: {name}")


def record(
    folder: Annotated[Path, typer.Argument(help="Where the recording is made, in a folder of its own.")],
    nats: NatsOption,
    since: Annotated[
        str,
        typer.Option(
            metavar="TIME", help="Begin so long ago: 90s, 5m, 1h; by default with all that is kept."
        ),
    ] = "",
    stream: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Only these streams, such as ward-*; repeatable."),
    ] = None,
    name: Annotated[
        str,
        typer.Option(help="Name of this recorder on the bus: with the same name it goes on where it was."),
    ] = "recorder",
    until_now: Annotated[
        bool, typer.Option("--until-now", help="End when everything that is kept now was read.")
    ] = False,
) -> None:
    """Record the streams of a bus that keeps its history, as Parquet; `replay` serves the recording."""
    from mtclar.cli.display.logs import set_up_logs
    from mtclar.cli.main import version
    from mtclar.cli.service.fleet import fleet_module
    from mtclar.cli.service.signals import stop_on_signals
    from mtclar.engine.errors import ServeError, UsageError
    from mtclar.stream.bus.address import TOKEN, parse_bus, span_s

    set_up_logs("plain", [])
    if not TOKEN.fullmatch(name):
        raise UsageError("the name of a recorder is letters, digits, - and _", "such as night-1")
    since_s = span_s(since) if since else None
    bus = parse_bus(nats)
    module = fleet_module("recorder")
    with stop_on_signals() as stopped, module.BusConnection(bus, "mtclar-stream recorder") as connection:
        if not connection.wait_connected(CONNECT_S):
            raise ServeError(connection.trouble or "the bus cannot be reached")
        recorder = module.HistoryRecorder(
            connection,
            folder,
            name=name,
            since_s=since_s,
            streams=stream or (),
            program=f"mtclar-stream {version()}",
        )
        typer.echo(f"Recording  {bus.name} into {folder}" + ("" if until_now else "; Ctrl-C ends it"))
        recorder.run(stopped, to_the_end=until_now)
    if recorder.writer is None:
        typer.echo("Nothing was recorded: no worker has published anything.")
    else:
        typer.echo(
            f"Written: {recorder.writer.folder} ({recorder.frames:,} frames, {recorder.missed:,} missed)"
        )


SUBCOMMANDS = {"status": status, "move": move, "drain": drain, "put": put, "record": record}


def _control(nats: str) -> Any:
    from mtclar.cli.display.logs import set_up_logs
    from mtclar.cli.service.fleet import fleet_module
    from mtclar.stream.bus.address import parse_bus

    set_up_logs("plain", [])
    return fleet_module("control").Control(parse_bus(nats))


def _as_json(state: Any) -> dict[str, Any]:
    facts = state.facts
    return {
        "workers": {
            name: {"load": member.load, "streams": member.streams, "draining": member.draining}
            for name, member in sorted(facts.members.items())
        },
        "streams": {
            stream: {
                "worker": None if owner is None or stream in facts.free else owner.worker,
                "epoch": None if owner is None else owner.epoch,
                "belongs_on": facts.wishes.get(stream),
                "trouble": state.troubles.get(stream),
            }
            for stream in sorted(facts.wanted)
            for owner in (facts.owners.get(stream),)
        },
    }

"""`mtclar-stream train`: trains the encoder and the pair head into a checkpoint."""

from pathlib import Path
from typing import Annotated, Any

import typer

from mtclar.cli.options import expanded


def command(
    ferplus: Annotated[
        Path,
        typer.Option(
            help="FER+ folder: labels.csv and sheet_00.png, sheet_01.png, ...; or fer2013.csv and fer2013new.csv."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for checkpoints and curves.", callback=expanded)],
    rendered: Annotated[
        list[Path] | None,
        typer.Option(help="Pictures of rendered people to train on (.npz); may be given several times."),
    ] = None,
    rendered_test: Annotated[
        list[Path] | None,
        typer.Option(help="Pictures of rendered test people (.npz), scored at the end."),
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Checkpoint whose weights to start from.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from the last epoch in --out, with the settings of before; --epochs or --minutes may change.",
        ),
    ] = False,
    preset: Annotated[
        str,
        typer.Option(
            help="Hyper-parameters: best; strong, for worse cameras; longer, then larger, to go on from --init; "
            "or paper (MT-CLAR as published)."
        ),
    ] = "best",
    epochs: Annotated[int | None, typer.Option(min=1, help="How often each photo is seen.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Train for this long instead of a number of epochs.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="Highest learning rate.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, help="Two runs with one seed are the same run, with --epochs; --minutes follow the clock."
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores by default.")] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, help="Processes of one thread each; on a busy machine faster than threads."),
    ] = 1,
) -> None:
    """Train the networks on FER+ and rendered people.

    Leaves mtclar.pt (for `export`), latest.pt (for --resume) and curves.jsonl in --out, and prints how good the result
    is on people that it never saw.
    """
    from dataclasses import replace

    from mtclar.engine.errors import UsageError
    from mtclar.train import extra

    if epochs is not None and minutes is not None:
        raise UsageError("--epochs and --minutes exclude each other", "give one of them")
    if init is not None and resume:
        raise UsageError("--init and --resume exclude each other", "a resumed run has its weights already")
    if workers > 1 and (device != "cpu" or threads is not None):
        raise UsageError(
            "--workers are for the CPU and have one thread each", "leave out --device and --threads"
        )
    extra.require("torch", "matplotlib", purpose="training")
    import torch

    from mtclar.cli.outputs import Output, always, never, require_safe
    from mtclar.cli.terminal import Terminal, say
    from mtclar.train import checkpoint, evaluate, figures, loop, people, presets
    from mtclar.train import ferplus as ferplus_data

    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"there is no device {device!r} here", "--device cpu works everywhere")
    if preset not in presets.PRESETS:
        raise UsageError(f"there is no preset {preset!r}", f"choose from {', '.join(presets.PRESETS)}")
    console = Terminal()
    outputs = [
        Output(
            "--out", out / name, always if resume else never, "go on with --resume, or name another folder"
        )
        for name in loop.FILES
    ]
    require_safe(outputs, {"--init": [] if init is None else [init]})
    if threads is not None:
        torch.set_num_threads(threads)
    given: dict[str, Any] = {
        "epochs": epochs,
        "minutes": minutes,
        "learning_rate": learning_rate,
        "seed": seed,
    }
    config = replace(
        presets.PRESETS[preset], **{name: value for name, value in given.items() if value is not None}
    )
    start = checkpoint.load_checkpoint(init) if init is not None else None
    photos = ferplus_data.load(ferplus)
    tested = photos.split("PrivateTest")
    data = loop.TrainData(
        photos=photos.split("Training", at_least=2 * workers),  # a pair for each of them
        validation=photos.split("PublicTest"),
        people=people.load(rendered, "train") if rendered else None,
    )
    test_people = people.load(rendered_test, "test") if rendered_test else None

    def report(text: str) -> None:
        say(console, text)

    if workers > 1:
        trained = loop.train_together(workers, data, config, out, initial=start, resume=resume, say=report)
    else:
        trained = loop.train(data, config, out, initial=start, resume=resume, device=device, say=report)
    on_photos = evaluate.evaluate_photos(trained.network, tested, device)
    say(console, f"FER+ PrivateTest: {on_photos}")
    on_people = None
    if test_people is not None:
        on_people = evaluate.evaluate_people(trained.network, test_people, device)
        say(console, f"rendered test people: {on_people}")
    scored = replace(trained, figures=figures.card_figures(on_photos, on_people))
    checkpoint.save_checkpoint(out / checkpoint.WEIGHTS, scored)
    say(
        console,
        f"wrote {out / checkpoint.WEIGHTS}; next: mtclar-stream export {out / checkpoint.WEIGHTS} --out DIR",
    )

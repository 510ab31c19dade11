"""`mtclar-stream train`: train the encoder and the pair head, and write a checkpoint."""

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
    people: Annotated[
        Path | None,
        typer.Option(help="Pictures of real people (.npz of `python -m mtclar.train.data.real_people`)."),
    ] = None,
    rendered: Annotated[
        list[Path] | None,
        typer.Option(help="Images of rendered people for training (.npz); may be repeated."),
    ] = None,
    rendered_test: Annotated[
        list[Path] | None,
        typer.Option(help="Images of rendered test people (.npz), evaluated at the end."),
    ] = None,
    init: Annotated[Path | None, typer.Option(help="Checkpoint with the initial weights.")] = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Continue after the last epoch in --out with the same settings; --epochs and --minutes may change.",
        ),
    ] = False,
    preset: Annotated[
        str,
        typer.Option(
            help="Hyper-parameters: best; refine, for a network that best trained (give it with --init); longer, for "
            "a network that knows its photos by heart; or paper (MT-CLAR as published)."
        ),
    ] = "best",
    epochs: Annotated[int | None, typer.Option(min=1, help="Number of passes over the photos.")] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Training time instead of a number of epochs.")
    ] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="Maximum learning rate.")] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Seed; two runs with the same seed and --epochs are identical, with --minutes they are not.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores by default.")] = None,
    workers: Annotated[
        int,
        typer.Option(min=1, help="Processes with one thread each; faster than threads on a busy machine."),
    ] = 1,
) -> None:
    """Train the networks on FER+, real people and rendered people.

    Writes mtclar.pt (for `export`), latest.pt (for --resume) and curves.jsonl to --out, and prints the accuracy on
    held-out people.
    """
    from dataclasses import replace

    from mtclar.engine.errors import UsageError
    from mtclar.train import extra

    if epochs is not None and minutes is not None:
        raise UsageError("--epochs and --minutes exclude each other", "give one of them")
    if init is not None and resume:
        raise UsageError("--init and --resume exclude each other", "a resumed run already has weights")
    if workers > 1 and (device != "cpu" or threads is not None):
        raise UsageError("--workers run on the CPU with one thread each", "remove --device and --threads")
    extra.require("torch", "matplotlib", purpose="training")
    import torch

    from mtclar.cli.display.terminal import Terminal, print_text
    from mtclar.cli.files.outputs import Output, always, never, require_safe
    from mtclar.train.accuracy import encoder_figures
    from mtclar.train.data import ferplus as ferplus_data
    from mtclar.train.data import real_people, rendered_people
    from mtclar.train.network import checkpoint, evaluation
    from mtclar.train.run import loop, presets
    from mtclar.train.run.config import TrainData

    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise UsageError(f"device {device!r} is not available", "use --device cpu")
    if preset not in presets.PRESETS:
        raise UsageError(f"unknown preset {preset!r}", f"choose one of: {', '.join(presets.PRESETS)}")
    console = Terminal()
    outputs = [
        Output(
            "--out", out / name, always if resume else never, "continue with --resume, or name another folder"
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
    data = TrainData(
        photos=photos.split("Training", at_least=2 * workers),  # one pair for each worker
        validation=photos.split("PublicTest"),
        rendered=rendered_people.load(rendered, "train") if rendered else None,
        people=real_people.load(people).split("training") if people else None,
    )
    test_people = rendered_people.load(rendered_test, "test") if rendered_test else None

    def report(text: str) -> None:
        print_text(console, text)

    if workers > 1:
        trained = loop.train_together(workers, data, config, out, initial=start, resume=resume, say=report)
    else:
        trained = loop.train(data, config, out, initial=start, resume=resume, device=device, say=report)
    on_photos = evaluation.evaluate_photos(trained.network, tested, device)
    print_text(console, f"FER+ PrivateTest: {on_photos}")
    on_people = None
    if test_people is not None:
        on_people = evaluation.evaluate_people(trained.network, test_people, device)
        print_text(console, f"rendered test people: {on_people}")
    scored = replace(trained, figures=encoder_figures.card_figures(on_photos, on_people))
    checkpoint.save_checkpoint(out / checkpoint.WEIGHTS, scored)
    print_text(
        console,
        f"wrote {out / checkpoint.WEIGHTS}; next: mtclar-stream export {out / checkpoint.WEIGHTS} --out DIR",
    )

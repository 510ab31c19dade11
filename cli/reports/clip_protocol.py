"""What `evaluate --protocol` adds: clips labelled from a few of their own frames, beside simple baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mtclar.label.evaluation_protocol import Clip, Score
    from mtclar.train.accuracy.answers import Answers, Networks
    from mtclar.train.accuracy.datasets import Opened
    from mtclar.train.progress import Progress

REMARKS = {
    "hold_last": "the latest label; causal",
    "interpolate": "line from label to label; not causal",
    "absolute": "no label at all",
    "paper": "latest label + predicted difference; causal",
    "paper_all": "mean of all labels + differences",
    "nearest": "label nearest in time + difference",
    "similarity": "all labels + differences, weighted by likeness",
    "best": "the mode that predicts left-out labels best",
}


@dataclass(frozen=True, slots=True, eq=False)
class Report:
    """One protocol on one data set."""

    data: str
    split: str | None
    encoder_sha256: str
    constants_encoder: str  # sha256 of the encoder that the constants of the comparison were fitted to
    labelling_encoder: str  # the same of the constants of labelling
    backend: str  # what computed the encoder's answers, for people
    frames: int  # with a face and a label
    no_face: int
    trained_on: bool
    score: "Score"
    curve: Mapping[int, "Score"]  # by percent of labels; empty: not asked for

    def as_json(self) -> dict[str, Any]:
        """Plain data; None: undefined."""
        from mtclar.label.evaluation_protocol import FIELDS

        score = self.score
        return {
            "protocol": score.plan,
            "data": self.data,
            "split": self.split,
            "encoder_sha256": self.encoder_sha256,
            "constants_encoder_sha256": self.constants_encoder,
            "labelling_constants_encoder_sha256": self.labelling_encoder,
            "backend": self.backend,
            "trained_on": self.trained_on,
            "n": self.frames,
            "no_face": self.no_face,
            "clips": len(score.clips),
            "labelled": score.labelled,
            "scored": score.scored,
            "methods": _pooled(score),
            "intervals": {
                name: {
                    axis: {field: [_defined(end) for end in ends[:, i]] for field, ends in of.items()}
                    for i, axis in enumerate(AXES)
                }
                for name in score.sums
                for of in [score.intervals(name)]
            },
            "per_clip": {
                clip: {
                    name: {
                        axis: {
                            field: _defined(value[number, i])
                            for field, value in of.items()
                            if field in FIELDS
                        }
                        for i, axis in enumerate(AXES)
                    }
                    for name, of in by_method.items()
                }
                for by_method in [{name: score.per_clip(name) for name in score.sums}]
                for number, clip in enumerate(score.clips)
            },
            "curve": {
                str(percent): {"labelled": of.labelled, "methods": _pooled(of)}
                for percent, of in self.curve.items()
            },
        }


AXES = ("valence", "arousal")


def _pooled(score: "Score") -> dict[str, Any]:
    from mtclar.label.evaluation_protocol import FIELDS

    return {
        name: {
            axis: {
                field: _defined(value[i])
                for field, value in score.pooled(name).items()
                if field in FIELDS or name in score.with_sd
            }
            for i, axis in enumerate(AXES)
        }
        for name in score.sums
    }


def _defined(value: float) -> float | None:
    import math

    return float(value) if math.isfinite(value) else None


def clips_of(answers: "Answers") -> "list[Clip]":
    """Answers by clip. Raises UsageError when they are not of clips."""
    import numpy as np

    from mtclar.engine.errors import UsageError
    from mtclar.label.evaluation_protocol import Clip

    if answers.clip is None or answers.frame is None or answers.time_s is None:
        raise UsageError(
            "--protocol needs clips, and these are single pictures", "afew-va, aff-wild2 or rendered"
        )
    return [
        Clip(
            answers.clip_names[number],
            answers.rows(rows),
            answers.va[rows].astype(np.float64),
            answers.frame[rows],
            answers.time_s[rows],
        )
        for number in np.unique(answers.clip)
        for rows in [np.flatnonzero(answers.clip == number)]
    ]


def evaluate(
    opened: "Opened", networks: "Networks", plan: str, *, curve: bool, progress: "Progress"
) -> Report:
    """Looks at every frame of the clips and scores all methods. Raises UsageError, MtclarError without any face."""
    from mtclar.engine.errors import MtclarError
    from mtclar.label.evaluation_protocol import BUDGETS, WITH_BEST, score
    from mtclar.label.modes import ModeContext
    from mtclar.label.temporal_gp import bundled_constants

    part = opened.clips or opened.main
    answers = part.answer(networks, progress("looking at clips", part.count))
    clips = clips_of(answers)
    if not clips:
        raise MtclarError(f"no face was found in any of {answers.no_face} frames", "is it the right folder?")
    context = ModeContext(networks.pair, networks.params, bundled_constants())
    of_plan = score(clips, plan, context, WITH_BEST, progress(plan, len(clips)))
    by_budget = {
        percent: score(
            clips, f"share-{percent}", context, advance=progress(f"{percent} % labelled", len(clips))
        )
        for percent in (BUDGETS if curve else ())
    }
    return Report(
        data=opened.name,
        split=opened.split,
        encoder_sha256=networks.card.sha256,
        constants_encoder=context.params.encoder_sha256,
        labelling_encoder=context.constants.encoder_sha256,
        backend=networks.backend,
        frames=len(answers),
        no_face=answers.no_face,
        trained_on=opened.trained_on,
        score=of_plan,
        curve=by_budget,
    )


def print_report(console: "Console", report: Report) -> None:
    """What people read: how much, the methods side by side with intervals, where ours is not the best, the curve."""
    from mtclar.cli.commands.evaluate import COMPARISON, LABELLING, say_of_another
    from mtclar.cli.terminal import counted, say

    score = report.score
    where = report.data if report.split is None else f"{report.data} {report.split}"
    say(
        console,
        f"{where}, {score.plan}: {counted(len(score.clips), 'clip')}, {score.labelled:,} frames labelled, "
        f"{score.scored:,} others scored; no face found in {report.no_face:,}.",
    )
    say(console, f"Encoder {report.encoder_sha256[:12]} on {report.backend}.")
    say_of_another(console, COMPARISON, report.constants_encoder, report.encoder_sha256)
    say_of_another(console, LABELLING, report.labelling_encoder, report.encoder_sha256)
    for table in _tables(score):
        console.print(table)
    for name, remark in REMARKS.items():
        if name in score.sums:
            say(console, f"{name}: {remark}")
    beaten = not_beaten(score)
    if beaten:
        say(console, f"Not better than: {', '.join(beaten)} (RMSE).", "yellow")
    for table in _curve_tables(report.curve) if report.curve else ():
        console.print(table)


def not_beaten(score: "Score") -> list[str]:
    """Baselines whose RMSE is no higher than ours, in words."""
    from mtclar.label.evaluation_protocol import MTCLAR

    ours = score.pooled(MTCLAR)["rmse"]
    return [
        f"{name} ({axis})"
        for name in score.sums
        if name != MTCLAR
        for i, axis in enumerate(AXES)
        if score.pooled(name)["rmse"][i] <= ours[i]
    ]


def _table(title: str) -> "Table":
    from rich import box
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=0)
    table.add_column("method", no_wrap=True)
    return table


def _tables(score: "Score") -> "list[Table]":
    """The figures, and how sure they are: each fits 80 columns."""
    from mtclar.cli.commands.evaluate import decimal, percent
    from mtclar.label.evaluation_protocol import MTCLAR

    figures = _table("valence/arousal")
    sure = _table("95 % of 1,000 drawings of clips, valence/arousal")
    for column in ("CCC", "RMSE", "PCC", "SAGR", "% in 90%"):
        figures.add_column(column, justify="right", no_wrap=True)
    for column in ("CCC", "RMSE"):
        sure.add_column(column, justify="right", no_wrap=True)
    for name in score.sums:
        of, ends = score.pooled(name), score.intervals(name)
        style = "bold" if name == MTCLAR else None
        cells = [
            f"{decimal(of[field][0])}/{decimal(of[field][1])}" for field in ("ccc", "rmse", "pcc", "sagr")
        ]
        claims = name in score.with_sd
        cells.append(f"{percent(of['coverage'][0])}/{percent(of['coverage'][1])}" if claims else "-")
        figures.add_row(name, *cells, style=style)
        spans = [
            "/".join(f"[{decimal(ends[field][0, i])} {decimal(ends[field][1, i])}]" for i in range(2))
            for field in ("ccc", "rmse")
        ]
        sure.add_row(name, *spans, style=style)
    return [figures, sure]


def _curve_tables(curve: "Mapping[int, Score]") -> "list[Table]":
    """RMSE by percent of labels, a table for each dimension."""
    from mtclar.cli.commands.evaluate import decimal

    tables = []
    for i, axis in enumerate(AXES):
        table = _table(f"RMSE of {axis} by % labelled")
        for percent in curve:
            table.add_column(str(percent), justify="right", no_wrap=True)
        for name in next(iter(curve.values())).sums:
            table.add_row(name, *(decimal(score.pooled(name)["rmse"][i]) for score in curve.values()))
        tables.append(table)
    return tables

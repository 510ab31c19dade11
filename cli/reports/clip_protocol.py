"""Report of `evaluate --protocol`: clips labelled from a few of their own frames, compared with baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from mtclar.label.evaluation_protocol import LabelledClip, Score
    from mtclar.train.accuracy.answers import Answers, Networks
    from mtclar.train.accuracy.datasets import Opened
    from mtclar.train.progress import Progress

REMARKS = {
    "hold_last": "the latest label; causal",
    "interpolate": "linear between labels; not causal",
    "absolute": "no labels",
    "paper": "latest label + predicted difference; causal",
    "paper_all": "mean of all labels + differences",
    "nearest": "label nearest in time + difference",
    "similarity": "all labels + differences, weighted by similarity",
    "best": "the mode with the lowest leave-one-out error",
}


@dataclass(frozen=True, slots=True, eq=False)
class ClipReport:
    """The result of one protocol on one data set."""

    data: str
    split: str | None
    encoder_sha256: str
    constants_encoder: str  # sha256 of the encoder that the few-shot constants were fitted to
    labelling_encoder: str  # sha256 of the encoder that the labelling constants were fitted to
    backend: str  # description of the backend that ran the encoder
    frames: int  # with a face and a label
    no_face: int
    unreadable: tuple[str, ...]  # labelled frames that cannot be read, each with the reason
    trained_on: bool
    score: "Score"
    curve: Mapping[int, "Score"]  # by percent of labels; empty without --curve

    def as_json(self) -> dict[str, Any]:
        """The report as JSON data; None: undefined."""
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
            "unreadable": list(self.unreadable),
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


def clips_of(answers: "Answers") -> "list[LabelledClip]":
    """Group answers by clip. Raises UsageError if the data set has no clips."""
    import numpy as np

    from mtclar.engine.errors import UsageError
    from mtclar.label.evaluation_protocol import LabelledClip

    if answers.clip is None or answers.frame is None or answers.time_s is None:
        raise UsageError(
            "--protocol needs video clips, and this data set has single images",
            "use afew-va, aff-wild2 or rendered",
        )
    return [
        LabelledClip(
            answers.clip_names[number],
            answers.encoded[rows],
            answers.va[rows].astype(np.float64),
            answers.frame[rows],
            answers.time_s[rows],
        )
        for number in np.unique(answers.clip)
        for rows in [np.flatnonzero(answers.clip == number)]
    ]


def evaluate(
    opened: "Opened", networks: "Networks", plan: str, *, curve: bool, progress: "Progress"
) -> ClipReport:
    """Encode every frame of the clips and score all methods. Raises UsageError; MtclarError without any face."""
    from mtclar.engine.errors import MtclarError
    from mtclar.label.evaluation_protocol import BUDGETS, WITH_BEST, score
    from mtclar.label.values.modes import ModeContext
    from mtclar.label.values.temporal_gp import bundled_constants

    part = opened.clips or opened.main
    answers = part.answer(networks, progress("encoding clips", part.count))
    clips = clips_of(answers)
    if not clips:
        raise MtclarError(f"no face was found in any of {answers.no_face} frames", "check the folder")
    context = ModeContext(networks.pair, networks.params, bundled_constants())
    of_plan = score(clips, plan, context, WITH_BEST, progress(plan, len(clips)))
    by_budget = {
        percent: score(
            clips, f"share-{percent}", context, advance=progress(f"{percent} % labelled", len(clips))
        )
        for percent in (BUDGETS if curve else ())
    }
    return ClipReport(
        data=opened.name,
        split=opened.split,
        encoder_sha256=networks.card.sha256,
        constants_encoder=context.params.encoder_sha256,
        labelling_encoder=context.constants.encoder_sha256,
        backend=networks.backend,
        frames=len(answers),
        no_face=answers.no_face,
        unreadable=answers.unreadable,
        trained_on=opened.trained_on,
        score=of_plan,
        curve=by_budget,
    )


def print_report(console: "Console", report: ClipReport) -> None:
    """Print the counts, the scores with intervals, the baselines with a lower error, and the curve."""
    from mtclar.cli.commands.networks.evaluate import COMPARISON, LABELLING, warn_of_other_encoder
    from mtclar.cli.display.terminal import counted, print_text

    score = report.score
    where = report.data if report.split is None else f"{report.data} {report.split}"
    print_text(
        console,
        f"{where}, {score.plan}: {counted(len(score.clips), 'clip')}, {score.labelled:,} frames labelled, "
        f"{score.scored:,} others scored; no face found in {report.no_face:,}.",
    )
    print_text(console, f"Encoder {report.encoder_sha256[:12]} on {report.backend}.")
    warn_of_other_encoder(console, COMPARISON, report.constants_encoder, report.encoder_sha256)
    warn_of_other_encoder(console, LABELLING, report.labelling_encoder, report.encoder_sha256)
    for table in _tables(score):
        console.print(table)
    for name, remark in REMARKS.items():
        if name in score.sums:
            print_text(console, f"{name}: {remark}")
    better = baselines_not_worse(score)
    if better:
        print_text(console, f"Not better than: {', '.join(better)} (RMSE).", "yellow")
    for table in _curve_tables(report.curve) if report.curve else ():
        console.print(table)


def baselines_not_worse(score: "Score") -> list[str]:
    """Names of baselines with an RMSE no higher than ours."""
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
    """The scores and their bootstrap intervals; each table fits 80 columns."""
    from mtclar.cli.commands.networks.evaluate import decimal, percent
    from mtclar.label.evaluation_protocol import MTCLAR

    scores = _table("valence/arousal")
    intervals = _table("95 % interval of 1,000 bootstrap samples of clips, valence/arousal")
    for column in ("CCC", "RMSE", "PCC", "SAGR", "% in 90%"):
        scores.add_column(column, justify="right", no_wrap=True)
    for column in ("CCC", "RMSE"):
        intervals.add_column(column, justify="right", no_wrap=True)
    for name in score.sums:
        of, ends = score.pooled(name), score.intervals(name)
        style = "bold" if name == MTCLAR else None
        cells = [
            f"{decimal(of[field][0])}/{decimal(of[field][1])}" for field in ("ccc", "rmse", "pcc", "sagr")
        ]
        has_interval = name in score.with_sd
        cells.append(f"{percent(of['coverage'][0])}/{percent(of['coverage'][1])}" if has_interval else "-")
        scores.add_row(name, *cells, style=style)
        spans = [
            "/".join(f"[{decimal(ends[field][0, i])} {decimal(ends[field][1, i])}]" for i in range(2))
            for field in ("ccc", "rmse")
        ]
        intervals.add_row(name, *spans, style=style)
    return [scores, intervals]


def _curve_tables(curve: "Mapping[int, Score]") -> "list[Table]":
    """One table for each dimension with the RMSE by percent of labels."""
    from mtclar.cli.commands.networks.evaluate import decimal

    tables = []
    for i, axis in enumerate(AXES):
        table = _table(f"RMSE of {axis} by % labelled")
        for percent in curve:
            table.add_column(str(percent), justify="right", no_wrap=True)
        for name in next(iter(curve.values())).sums:
            table.add_row(name, *(decimal(score.pooled(name)["rmse"][i]) for score in curve.values()))
        tables.append(table)
    return tables

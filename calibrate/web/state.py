"""The labels and the running capture as the parts of `calibrate.state` and `calibrate.look`."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtclar.calibrate.core.evaluation.comparison import Comparison, SetFigures
from mtclar.calibrate.core.evaluation.coverage import REGIONS, covered_regions, nearest_region
from mtclar.calibrate.core.evaluation.report import LARGE_LABEL_ERROR, mean_rmse
from mtclar.calibrate.core.evaluation.status import CalibrationStatus
from mtclar.calibrate.core.guided_session import LABEL_FRAMES, LabelCapture
from mtclar.calibrate.core.label_store import Sample
from mtclar.calibrate.core.sentence import Sentence
from mtclar.calibrate.web.protocol import messages
from mtclar.stream.server.pictures import encode_jpeg


def label_state(status: CalibrationStatus) -> dict[str, Any]:
    """The fields of `calibrate.state` about the labels."""
    samples = status.labels.samples
    covered = covered_regions(status.labels.points)
    prompt, report, stopping = status.next_prompt(), status.report, status.stopping()
    check_errors = [sample.check.error for sample in samples if sample.check is not None]
    return {
        "can_undo": status.labels.can_undo,
        "samples": [_sample_state(sample, status) for sample in samples],
        "regions": [
            {"title": r.title, "valence": r.valence, "arousal": r.arousal, "covered": r.title in covered}
            for r in REGIONS
        ],
        "ask": {
            "title": prompt.title,
            "words": prompt.instruction,
            "valence": prompt.valence,
            "arousal": prompt.arousal,
        },
        "error": None
        if report is None
        else {
            "valence": round(report.calibrated[0], 4),
            "arousal": round(report.calibrated[1], 4),
            "absolute": round(mean_rmse(report.absolute), 4),
            "calibrated": round(mean_rmse(report.calibrated), 4),
        },
        "warning": status.warning or None,
        "errors": [round(error, 4) for error in status.labels.snapshot.errors],
        "warnings": [sentence_state(sentence) for sentence in status.warnings],
        "enough": {
            "enough": stopping.stop,
            "why": stopping.why.text,
            **sentence_state(stopping.why),
        },
        "replacing": status.replacing or None,
        "to_check": [sample.number for sample in status.to_check()],
        "check_error": round(float(np.mean(check_errors)), 4) if check_errors else None,
    }


def sentence_state(sentence: Sentence) -> dict[str, Any]:
    """The key and the values of a sentence."""
    return {"key": sentence.key, "values": dict(sentence.values)}


def _sample_state(sample: Sample, status: CalibrationStatus) -> dict[str, Any]:
    left_out, check = status.left_out(sample), sample.check
    return {
        "number": sample.number,
        "valence": sample.valence,
        "arousal": sample.arousal,
        "region": nearest_region(sample.valence, sample.arousal).title,
        "category": sample.category,
        "note": sample.note,
        "time": round(float(sample.times_s[0]), 4),
        "frames": len(sample),
        "predicted": None
        if left_out is None
        else [round(left_out.predicted_valence, 4), round(left_out.predicted_arousal, 4)],
        "error": None
        if left_out is None
        else round(float(np.hypot(left_out.rmse_valence, left_out.rmse_arousal)), 4),
        "check": None
        if check is None
        else {
            "valence": round(check.valence, 4),
            "arousal": round(check.arousal, 4),
            "error": round(check.error, 4),
            "redo": check.error > LARGE_LABEL_ERROR,
        },
        "thumbnail": None if sample.crops is None else thumbnail_url(sample.crops[0]),
    }


def comparison_message(comparison: Comparison, name: str) -> bytes:
    """The message `calibrate.comparison` of the labels (`a`) with the set `name` (`b`)."""

    def figures(of: SetFigures) -> dict[str, Any]:
        errors = {"own_error": of.own_error, "other_error": of.other_error, "error": of.error}
        counts = {"frames": of.frames, "labels": of.labels, "regions": of.regions}
        return {**counts, **{key: round(error, 4) for key, error in errors.items()}}

    return messages.encode(
        "comparison",
        name=name,
        a=figures(comparison.a),
        b=figures(comparison.b),
        uncalibrated=round(comparison.uncalibrated, 4),
        better=comparison.better,
    )


def capture_state(capture: LabelCapture | None) -> dict[str, Any] | None:
    """The field `capture` of `calibrate.look`; None before the first frame."""
    if capture is None or capture.progress is None:
        return None
    return {
        "kind": capture.kind,
        "number": capture.number,
        "valence": capture.valence,
        "arousal": capture.arousal,
        "phase": capture.progress.phase,
        "left_s": round(capture.progress.left_s, 2),
        "taken": capture.progress.taken,
        "of": LABEL_FRAMES,
    }


def thumbnail_url(image: NDArray[np.uint8]) -> str:
    """A data URL of a face crop [S, S]."""
    return "data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image)).decode()

"""One complete evaluation: encoding, expression classes, few labels, whole clips."""

from collections.abc import Sequence

from mtclar.train.accuracy import few_shot, whole_clips
from mtclar.train.accuracy.answers import Networks
from mtclar.train.accuracy.datasets import Opened
from mtclar.train.accuracy.methods import Engine
from mtclar.train.accuracy.report import Report, classes_of
from mtclar.train.progress import Progress, silent


def evaluate(
    opened: Opened, networks: Networks, shots: Sequence[int], seeds: int, progress: Progress = silent
) -> Report:
    """Encodes an opened data set and scores it with each number of labels in `shots`, `seeds` draws each.

    A data set in which no face is found gives a report without figures.
    """
    engine = Engine(networks.pair, networks.params)
    answers = opened.main.answer(networks, progress("looking at faces", opened.main.count))
    clip_answers = answers
    if opened.clips is not None:
        clip_answers = opened.clips.answer(networks, progress("looking at clips", opened.clips.count))
    return Report(
        data=opened.name,
        split=opened.split,
        card=networks.card,
        constants_encoder=networks.params.encoder_sha256,
        backend=networks.backend,
        answers=answers,
        classes=classes_of(answers),
        shots=few_shot.score(answers, engine, shots, seeds, progress),
        seeds=seeds,
        clips=whole_clips.score(clip_answers, engine, progress=progress),
        proxy=opened.proxy,
        trained_on=opened.trained_on,
    )

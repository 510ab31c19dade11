"""What valence and arousal mean in this project: the one place that says it.

A face that shows no expression, a rest face, is (0, 0). A face that everybody calls by one expression has the centre of
that class, `CLASS_CENTRES`. In between, V/A is the mean of the centres, weighted by how probable each class is where no
class is more common than another: the probabilities carry no prior of the crowd, the search engine or the press that
a training picture came from. So V/A says how far a face has gone from rest towards an expression that people recognise.
It is a reading of the face and not of what a person feels; human ratings of valence and arousal spread around these
centres (standard deviation .07 to .23 within a class on web photos).
"""

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.data_types import EXPRESSIONS

CLASS_CENTRES: dict[str, tuple[float, float]] = {
    # Mean (valence, arousal) of each class in AffectNet's validation set; neutral is put at the origin, because a
    # face that nobody finds expressive should read zero (the measured mean is -.03, -.02).
    "neutral": (0.0, 0.0),
    "happiness": (0.67, 0.08),
    "surprise": (0.18, 0.70),
    "sadness": (-0.63, -0.27),
    "anger": (-0.43, 0.55),
    "disgust": (-0.68, 0.45),
    "fear": (-0.12, 0.76),
    "contempt": (-0.51, 0.58),
}

REACH = 0.1  # in V/A: how fast a class stops being meant with the distance of its centre


def class_centres() -> NDArray[np.float32]:
    """[8, 2] V/A of each class, in the order of EXPRESSIONS."""
    return np.array([CLASS_CENTRES[name] for name in EXPRESSIONS], np.float32)


_CENTRES = class_centres()  # made once: `class_variance` is called for every face


def class_variance(absolute: NDArray[np.floating]) -> NDArray[np.float64]:
    """absolute [B, 2] -> [B, 2]: mean squared distance, in valence and in arousal, of the classes that may be meant.

    A value at a centre means that class alone, so the variance is small; a value between centres is a mean of
    expressions that the encoder cannot tell apart. Each class counts exp(-distance / REACH). On real faces this ranks
    squared errors as well as the variance of the encoder's own class probabilities (docs/results/few-shot.md), and a
    support set keeps the absolute values alone.
    """
    apart = np.asarray(absolute, np.float64)[:, None, :] - _CENTRES  # [B, 8, 2]
    distance = np.sqrt((apart**2).sum(2))
    share = np.exp((distance.min(1, keepdims=True) - distance) / REACH)
    share /= share.sum(1, keepdims=True)
    return np.asarray(np.einsum("bc,bcd->bd", share, apart**2))

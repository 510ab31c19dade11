"""The engine's Gaussian process on residuals, with time as a second kernel: for recordings, where both sides are known.

The covariance of two residuals is that of `residual_gp` in the engine plus variance exp(-(|t_i - t_j| / length_s)^2):
what the encoder gets wrong now it gets wrong a moment later, whatever the face shows. Every label of the recording
counts, later ones as well.

The sd is multiplied by how far off the labels are from what the others say of them: labels that agree better than the
process expects make every interval narrower. The constants belong to one encoder; tools/fit_label.py makes them.
"""

import json
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mtclar.engine import models
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import ModelError
from mtclar.engine.estimate.comparer import CompareParams
from mtclar.engine.estimate.residual_gp import (
    Labelled,
    Likeness,
    ResidualPrior,
    beside,
    covariances,
    far_off,
    log_evidence,
)
from mtclar.engine.files import write_whole

Array = NDArray[np.float64]

MIN_WEIGHT = 0.01  # an explanation that explains these labels worse is left out
CONSTANTS = Path(__file__).with_name("constants.json")


@dataclass(frozen=True, slots=True)
class Drift:
    """The time kernel of one dimension."""

    variance: float  # V/A units squared
    length_s: float

    def __call__(self, one_s: Array, other_s: Array) -> Array:
        """[B, M] covariances of times [B] and [M]."""
        apart = (one_s[:, None] - other_s) / self.length_s
        return np.asarray(self.variance * np.exp(-(apart**2)))


@dataclass(frozen=True, slots=True)
class Constants:
    """What was fitted to one encoder on clips of people that neither the encoder nor a test has seen."""

    encoder_sha256: str
    valence: Drift
    arousal: Drift
    usual_scale: float  # of the sd, before any label says how well this recording agrees with itself
    worth_labels: float  # how many labels that is worth
    smooth_hz: float  # cut-off of the forward-backward smoothing

    @property
    def drifts(self) -> tuple[Drift, Drift]:
        return self.valence, self.arousal

    def write(self, path: Path) -> None:
        """As JSON. Raises WriteError when the disk refuses."""
        content = json.dumps(asdict(self), indent=1) + "\n"
        write_whole(path, lambda file: file.write(content.encode()))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Raises ModelError when the file is missing or holds something else."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text())
            for name in ("valence", "arousal"):
                fields[name] = Drift(**fields[name])
            return cls(**fields)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{path} does not hold the constants of labelling: {error}", models.REINSTALL
            ) from error


@cache
def bundled_constants() -> Constants:
    """Those of the bundled encoder."""
    return Constants.read(CONSTANTS)


class VideoProcess:
    """One dimension (`axis`: 0 valence, 1 arousal) of M labelled frames at times [M], M >= 1."""

    def __init__(
        self, labelled: Labelled, times_s: Array, params: CompareParams, constants: Constants, axis: int
    ) -> None:
        self._labelled, self._times_s, self._axis = labelled, times_s, axis
        self._prior: ResidualPrior = params.priors[axis]
        self._likeness: Likeness = params.likeness
        self._drift = constants.drifts[axis]
        self._h = self._prior.doubt(labelled.length, self._likeness)  # [M]
        self._far = far_off(labelled, self._prior, self._h, axis)  # [M]
        self._residual = labelled.residual[:, axis]
        covariance = covariances(labelled, self._prior, self._likeness, axis)  # [G, M, M]
        covariance = covariance + self._drift(times_s, times_s)
        weight = np.log(self._prior.columns()[4]) + log_evidence(covariance, self._residual)
        weight = np.exp(weight - weight.max())
        weight /= weight.sum()
        self._kept = np.flatnonzero(weight >= MIN_WEIGHT)
        self._weight = weight[self._kept] / weight[self._kept].sum()
        self._inverse = np.linalg.inv(covariance[self._kept])  # [G', M, M]
        off = self.left_out() if len(labelled) > 1 else np.zeros(0)
        worth = constants.worth_labels
        usual = worth * constants.usual_scale**2
        self.scale = float(np.sqrt((usual + (off**2).sum()) / (worth + len(off))))

    def __call__(self, faces: Encoded, times_s: Array, residuals: Array) -> tuple[Array, Array]:
        """Mean residual [B] and sd [B] of a label of B faces; residuals [B, M]: label_i + delta_i - absolute."""
        prior, likeness = self._prior, self._likeness
        query = beside(faces.embedding, faces.absolute, self._labelled, likeness)
        h = prior.doubt(query.length, likeness)  # [B]
        a, known_a = query.absolute[:, self._axis], self._labelled.absolute[:, self._axis]
        far = 1.0 + (query.near * (self._far - 1.0)).max(1, initial=0.0)
        hh, aa = np.outer(h, self._h), np.outer(a, known_a)  # [B, M]
        near = likeness.near_share * query.near * np.sqrt(np.outer(far, self._far)) * hh
        local, in_time = hh * query.local, self._drift(times_s, self._times_s)
        mean = np.zeros(len(a))
        square = np.zeros(len(a))
        rows = np.array(prior.columns())[:4].T[self._kept]  # [G', 4]
        for (offset, gain, locally, noise), inverse, weight in zip(
            rows, self._inverse, self._weight, strict=True
        ):
            k = offset + gain * aa + locally * local + noise * near + in_time
            gained = k @ inverse
            alone = offset + gain * a**2 + (locally + noise * far) * h**2 + self._drift.variance
            of_this = (gained * residuals).sum(1)
            mean += weight * of_this
            square += weight * (alone - (gained * k).sum(1) + of_this**2)
        return mean, self.scale * np.sqrt(np.maximum(square - mean**2, 1e-9))

    def left_out(self) -> Array:
        """[M] how many sd each label is off what the others say of it (Rasmussen & Williams 5.12)."""
        diagonal = np.diagonal(self._inverse, axis1=1, axis2=2)  # [G', M]
        means = self._residual - (self._inverse @ self._residual) / diagonal
        mean = self._weight @ means
        variance = self._weight @ (1.0 / diagonal + (means - mean) ** 2)
        return np.asarray((self._residual - mean) / np.sqrt(variance))

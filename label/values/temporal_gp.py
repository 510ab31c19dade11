"""Gaussian process on residuals with a second kernel over time, for recordings where past and future are known.

The covariance of two residuals is that of `mtclar.engine.estimate.residual_gp` plus a time kernel: an error of the
encoder persists for a moment, whatever the face shows. It is Matern's with nu = 3/2, variance (1 + d) exp(-d) with
d = sqrt(3) |t_i - t_j| / length_s. The smoother squared exponential took values between two labels for better known
than they are.

The sd is multiplied by a scale estimated from the leave-one-out residuals of the labels: labels that agree better than
the process expects make every interval narrower. The constants are fitted to one encoder by tools/fit/fit_label.py.
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
    KernelParams,
    LabelledFaces,
    ResidualPrior,
    covariances,
    cross_kernel,
    outlier_weights,
    posterior_weights,
)
from mtclar.engine.files.writing import write_json

Array = NDArray[np.float64]

MIN_WEIGHT = 0.01  # mixture components with less posterior weight are dropped
CONSTANTS = Path(__file__).with_name("constants.json")


@dataclass(frozen=True, slots=True)
class TimeKernel:
    """Matern kernel (nu = 3/2) over time for one dimension."""

    variance: float  # V/A units squared
    length_s: float

    def __call__(self, one_s: Array, other_s: Array) -> Array:
        """Covariances [B, M] of times [B] and [M]."""
        apart = np.sqrt(3.0) * np.abs(one_s[:, None] - other_s) / self.length_s
        return np.asarray(self.variance * (1.0 + apart) * np.exp(-apart))


@dataclass(frozen=True, slots=True)
class LabellingConstants:
    """Constants fitted to one encoder, on clips of people outside its training and test sets."""

    encoder_sha256: str
    valence: TimeKernel
    arousal: TimeKernel
    usual_scale: float  # prior scale of the sd
    worth_labels: float  # weight of the prior scale, in labels
    smooth_hz: float  # cut-off frequency of the zero-phase smoothing

    @property
    def time_kernels(self) -> tuple[TimeKernel, TimeKernel]:
        return self.valence, self.arousal

    def write(self, path: Path) -> None:
        """Write as JSON. Raises WriteError if the file cannot be written."""
        write_json(path, asdict(self), private=False, indent=1)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read from JSON. Raises ModelError if the file is missing or invalid."""
        try:
            fields: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            for name in ("valence", "arousal"):
                fields[name] = TimeKernel(**fields[name])
            return cls(**fields)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{path} is not a file of labelling constants: {error}", models.REINSTALL
            ) from error


@cache
def bundled_constants() -> LabellingConstants:
    """The constants of the bundled encoder."""
    return LabellingConstants.read(CONSTANTS)


class TemporalGp:
    """Posterior of one dimension (`axis`: 0 valence, 1 arousal) given M >= 1 labelled frames at times [M]."""

    def __init__(
        self,
        labelled: LabelledFaces,
        times_s: Array,
        params: CompareParams,
        constants: LabellingConstants,
        axis: int,
    ) -> None:
        self._labelled, self._times_s, self._axis = labelled, times_s, axis
        self._prior: ResidualPrior = params.priors[axis]
        self._kernel: KernelParams = params.kernel
        self._time_kernel = constants.time_kernels[axis]
        self._h = self._prior.noise_scale(labelled.length, labelled.absolute, self._kernel, axis)  # [M]
        self._outlier = outlier_weights(labelled, self._prior, self._h, axis)  # [M]
        self._residual = labelled.residual[:, axis]
        covariance = covariances(labelled, self._prior, self._kernel, axis)  # [G, M, M]
        covariance = covariance + self._time_kernel(times_s, times_s)
        component_weight = self._prior.columns()[4]
        self._kept, self._weight = posterior_weights(component_weight, covariance, self._residual, MIN_WEIGHT)
        self._inverse = np.linalg.inv(covariance[self._kept])  # [G', M, M]
        residuals = self.leave_one_out_residuals() if len(labelled) > 1 else np.zeros(0)
        prior_weight = constants.worth_labels
        prior = prior_weight * constants.usual_scale**2
        self.scale = float(np.sqrt((prior + (residuals**2).sum()) / (prior_weight + len(residuals))))

    def __call__(self, faces: Encoded, times_s: Array, residuals: Array) -> tuple[Array, Array]:
        """Mean residual [B] and sd [B] of a new label of B faces.

        residuals [B, M]: label_i + delta_i less the mean to which the caller adds the result.
        """
        prior, kernel = self._prior, self._kernel
        query = cross_kernel(faces.embedding, faces.absolute, self._labelled, kernel)
        h = prior.noise_scale(query.length, query.absolute, kernel, self._axis)  # [B]
        a, known_a = query.absolute[:, self._axis], self._labelled.absolute[:, self._axis]
        outlier = query.outlier_weights(self._outlier)
        hh, aa = np.outer(h, self._h), np.outer(a, known_a)  # [B, M]
        near = kernel.near_share * query.near * np.sqrt(np.outer(outlier, self._outlier)) * hh
        local, in_time = hh * query.local, self._time_kernel(times_s, self._times_s)
        mean = np.zeros(len(a))
        square = np.zeros(len(a))
        rows = np.array(prior.columns())[:4].T[self._kept]  # [G', 4]
        for (offset, gain, locally, noise), inverse, weight in zip(
            rows, self._inverse, self._weight, strict=True
        ):
            k = offset + gain * aa + locally * local + noise * near + in_time
            gained = k @ inverse
            alone = offset + gain * a**2 + (locally + noise * outlier) * h**2 + self._time_kernel.variance
            of_this = (gained * residuals).sum(1)
            mean += weight * of_this
            square += weight * (alone - (gained * k).sum(1) + of_this**2)
        return mean, self.scale * np.sqrt(np.maximum(square - mean**2, 1e-9))

    def leave_one_out_residuals(self) -> Array:
        """Standardised leave-one-out residuals [M] (Rasmussen & Williams 2006, eq. 5.12)."""
        diagonal = np.diagonal(self._inverse, axis1=1, axis2=2)  # [G', M]
        means = self._residual - (self._inverse @ self._residual) / diagonal
        mean = self._weight @ means
        variance = self._weight @ (1.0 / diagonal + (means - mean) ** 2)
        return np.asarray((self._residual - mean) / np.sqrt(variance))

"""Face crops in, embeddings and absolute valence/arousal out: the `encoder` graph behind numpy arrays."""

import numpy as np
from numpy.typing import NDArray

from mtclar.engine.backends.session import InferenceSession
from mtclar.engine.data_types import Encoded
from mtclar.engine.errors import ModelError
from mtclar.engine.spans import spanned

INPUT = "face"
OUTPUTS = ("embedding", "absolute", "expression")


class Encoder:
    """Runs the `encoder` graph on any number of crops; normalisation is inside the graph.

    Raises ModelError when the session's graph is not an encoder.
    """

    def __init__(self, session: InferenceSession) -> None:
        size = session.inputs.get(INPUT, (None,))[-1]
        dim = session.outputs.get("embedding", (None,))[-1]
        if size is None or dim is None or not set(OUTPUTS) <= set(session.outputs):
            raise ModelError(
                f"the network is not an encoder: inputs {dict(session.inputs)}, outputs {dict(session.outputs)}",
                f"an encoder takes '{INPUT}' [B, S, S] and gives {', '.join(OUTPUTS)}",
            )
        self._session = session
        self.size = size  # S: crops are [S, S]
        self.embedding_dim = dim  # D

    @spanned("encode")
    def __call__(self, crops: NDArray[np.uint8]) -> Encoded:
        """crops [B, S, S] grey -> Encoded of B rows, B = 0 included; ValueError when shape or type differ."""
        if crops.dtype != np.uint8 or crops.ndim != 3 or crops.shape[1:] != (self.size, self.size):
            raise ValueError(
                f"crops must be uint8 [B, {self.size}, {self.size}], got {crops.dtype} {list(crops.shape)}"
            )
        if not len(crops):  # not every backend takes an empty batch
            return Encoded(np.zeros((0, self.embedding_dim), np.float32), np.zeros((0, 2), np.float32))
        outputs = self._session.run({INPUT: crops})
        return Encoded(**{name: outputs[name].astype(np.float32, copy=False) for name in OUTPUTS})

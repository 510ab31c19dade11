"""PRelu written with operators that ONNX Runtime computes in its blocked layout: Face Mesh takes a third of the time.

    python -m tools.convert.plain_prelu engine/models/face_mesh.onnx

rewrites a network and the digest in its card. max(x, 0) + a min(x, 0) = a x + (1 - a) relu(x), and a scale for each
channel is a depthwise convolution of one pixel, into which ONNX Runtime fuses a Relu that follows and an Add. ONNX
Runtime's own PRelu is slow and has no blocked layout, so every one costs two changes of layout besides.
docs/results/performance.md has the measurement.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

from mtclar.engine import models
from mtclar.engine.files.writing import write_whole
from tools.arguments import parser_of


def without_prelu(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network. Every PRelu has one slope for each channel, shape [1, C, 1, 1] or [C, 1, 1]."""
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    plain = onnx.ModelProto()
    plain.CopyFrom(model)
    del plain.graph.node[:]
    slopes = set()
    for node in model.graph.node:
        if node.op_type != "PRelu":
            plain.graph.node.append(node)
            continue
        x, (y,) = node.input[0], node.output
        slope = numpy_helper.to_array(weights[node.input[1]])
        slopes.add(node.input[1])
        scales = {f"{y}_slope": slope, f"{y}_rest": 1 - slope}
        channels = slope.size
        for name, values in scales.items():
            scale = values.astype(np.float32).reshape(channels, 1, 1, 1)
            plain.graph.initializer.append(numpy_helper.from_array(scale, name))

        def scaled(source: str, name: str, to: str, channels: int = channels) -> onnx.NodeProto:
            return helper.make_node("Conv", [source, name], [to], group=channels, kernel_shape=[1, 1])

        slope_name, rest_name = scales
        above = f"{y}_above"
        if (slope <= 1).all():  # (1 - a) relu(x) = relu((1 - a) x), which is one operator when it runs
            rest = [scaled(x, rest_name, f"{above}_x"), helper.make_node("Relu", [f"{above}_x"], [above])]
        else:
            rest = [
                helper.make_node("Relu", [x], [f"{above}_x"]),
                scaled(f"{above}_x", rest_name, above),
            ]
        below = scaled(x, slope_name, f"{y}_below")
        plain.graph.node.extend([*rest, below, helper.make_node("Add", [f"{y}_below", above], [y])])
    still_used = {name for node in plain.graph.node for name in node.input}
    for name in slopes - still_used:
        plain.graph.initializer.remove(weights[name])
    onnx.checker.check_model(plain, full_check=True)
    return plain


def rewrite(path: Path) -> None:
    """The network at `path` and the digest in its card."""
    content = without_prelu(onnx.load(str(path))).SerializeToString()
    write_whole(path, content, private=False)
    card = path.with_suffix(".json")
    replace(models.Card.read(card), sha256=models.sha256(path)).write(card)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("graph", type=Path)
    path: Path = parser.parse_args().graph
    rewrite(path)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

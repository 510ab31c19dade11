"""The torch back end, a yardstick: ONNX graphs interpreted with torch, replayed as CUDA graphs on a card.

`auto` never chooses it. It has only the operators of the shipped graphs.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from mtclar.engine.backends.session import Arrays, Closeable, Shape
from mtclar.engine.backends.typed_onnx import parse, partition
from mtclar.engine.errors import BackendError, ModelError, UsageError

VARIANTS = ("cpu", "cuda")
WARM_UP_RUNS = 3  # before a CUDA graph is recorded, as torch asks for
Attributes = Mapping[str, Any]
Operator = Callable[[Sequence[Any], Attributes], Any]


class TorchSession(Closeable):
    """One graph in torch, an InferenceSession with `bind`."""

    def __init__(
        self,
        path: Path,
        threads: int = 1,
        *,
        name: str = "torch",
        variant: str | None = None,
        progress: Callable[[str], None] | None = None,  # noqa: ARG002  # nothing here takes long
    ) -> None:
        """`variant` is the device. Raises UsageError for an unknown one, BackendError without a card, ModelError for a
        graph that is damaged or has an operator that is not known here.
        """
        wanted = variant or ("cuda" if torch.cuda.is_available() else "cpu")
        if wanted not in VARIANTS:
            raise UsageError(f"there is no {name}:{wanted}", f"a device is one of {', '.join(VARIANTS)}")
        if wanted == "cuda" and not torch.cuda.is_available():
            raise BackendError(
                "this torch sees no CUDA card",
                "install torch for CUDA and NVIDIA's driver, or use --backend onnxruntime",
            )
        if not path.is_file():
            raise ModelError(f"{path}: there is no such network", "install mtclar-stream again")
        torch.set_num_threads(threads)
        self.device = torch.device(wanted)
        try:
            self._model = parse(path.read_bytes())
        except ModelError as error:
            raise ModelError(f"{path} cannot be loaded: {error.what}", error.hint) from error
        on = torch.cuda.get_device_name() if wanted == "cuda" else "CPU"
        self.backend = f"torch ({on})"
        self.inputs: Mapping[str, Shape] = {v.name: _shape(v) for v in self._model.graph.input}
        self.outputs: Mapping[str, Shape] = {v.name: _shape(v) for v in self._model.graph.output}
        with _cuda_errors():
            self._program: Program | None = Program(self._model, self.device, {})

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        if self._program is None:
            raise BackendError("the session is closed")
        return self._program.run(feeds)

    def bind(self, feeds: Arrays) -> "BoundTorchSession":
        """The same network with one input on the device; what depends on it alone is computed once, here."""
        if self._program is None:
            raise BackendError("the session is closed")
        ((name, array),) = feeds.items()
        parts = partition(self._model, name)
        with _cuda_errors():
            if parts is None:
                program = Program(self._model, self.device, {name: _tensor(array, self.device)})
            else:
                once = Program(parts.once, self.device, {})
                program = Program(parts.rest, self.device, once.tensors({name: _tensor(array, self.device)}))
        return BoundTorchSession(self, name, program)

    def close(self) -> None:
        self._program = None


@contextmanager
def _cuda_errors() -> Iterator[None]:
    """Turns torch's errors (a full card, a failed kernel) into BackendError."""
    try:
        yield
    except RuntimeError as error:  # torch.OutOfMemoryError and torch.AcceleratorError are such
        raise BackendError(
            f"torch: {(str(error).splitlines() or [type(error).__name__])[0][:300]}",
            "check the card with `nvidia-smi`, or use --backend onnxruntime",
        ) from error


class BoundTorchSession(Closeable):
    """A session with one input bound on the device."""

    def __init__(self, session: TorchSession, bound: str, program: "Program") -> None:
        self.backend = session.backend
        self.inputs: Mapping[str, Shape] = {n: s for n, s in session.inputs.items() if n != bound}
        self.outputs: Mapping[str, Shape] = session.outputs
        self._program: Program | None = program

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        if self._program is None:
            raise BackendError("the session is closed")
        return self._program.run(feeds)

    def close(self) -> None:
        """Frees the bound input; the session stays open."""
        self._program = None


class Program:
    """The nodes of one graph as torch calls, with some inputs fixed."""

    def __init__(
        self, model: onnx.ModelProto, device: torch.device, fixed: Mapping[str, torch.Tensor]
    ) -> None:
        graph = model.graph
        self._device = device
        self._fixed = dict(fixed)
        self._fed = {v.name: v for v in graph.input if v.name not in fixed}
        self._outputs = [v.name for v in graph.output]
        self._weights = {t.name: _tensor(numpy_helper.to_array(t), device) for t in graph.initializer}
        self._steps: list[tuple[Operator, list[str], list[str], Attributes]] = []
        for node in graph.node:
            if node.op_type == "Constant":
                value = numpy_helper.to_array(node.attribute[0].t)
                self._weights[node.output[0]] = _tensor(value, device)
                continue
            if node.op_type not in OPERATORS:
                raise ModelError(
                    f"the torch backend does not know the operator {node.op_type}", "use another --backend"
                )
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            if node.op_type == "Pad" and len(node.input) > 2 and node.input[2]:
                attributes["value"] = float(self._weights[node.input[2]])
            self._steps.append((OPERATORS[node.op_type], list(node.input), list(node.output), attributes))
        # Constants that operators take as Python numbers are read once: reading from the device breaks a recording.
        self._numbers = {
            name: t.tolist()
            for name, t in self._weights.items()
            if t.dtype in (torch.int64, torch.int32) and t.ndim <= 1
        }
        self._replays: dict[tuple[tuple[int, ...], ...], _Replay] = {}

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        """Raises BackendError when feeds do not fit."""
        takes = ", ".join(
            f"{n} tensor({_dtype(v).name}) {[d.dim_param or d.dim_value for d in v.type.tensor_type.shape.dim]}"
            for n, v in self._fed.items()
        )
        if set(feeds) != set(self._fed) or any(
            a.dtype != _dtype(self._fed[n]) or not _fits(a.shape, _shape(self._fed[n]))
            for n, a in feeds.items()
        ):
            given = ", ".join(f"{n} {a.dtype} {list(a.shape)}" for n, a in feeds.items())
            raise BackendError(f"torch: these inputs do not fit: {given}", f"the network takes {takes}")
        with torch.inference_mode():
            if self._device.type == "cuda":
                with _cuda_errors():
                    return self._replayed(feeds)
            found = self.tensors({n: _tensor(a, self._device) for n, a in feeds.items()})
            return {n: t.numpy() for n, t in found.items()}

    def tensors(self, feeds: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Every output, on the device."""
        values: dict[str, Any] = {**self._weights, **self._fixed, **feeds}
        for operator, sources, targets, attributes in self._steps:
            arguments = [
                None
                if not n
                else _Number(values[n], self._numbers.get(n))
                if n in self._numbers
                else values[n]
                for n in sources
            ]
            values[targets[0]] = operator(arguments, attributes)
        return {name: values[name] for name in self._outputs}

    def _replayed(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        which = tuple(feeds[n].shape for n in self._fed)
        if which not in self._replays:
            self._replays[which] = _Replay(self, feeds, self._device)
        return self._replays[which].run(feeds)


class _Replay:
    """One program at one set of shapes, recorded as a CUDA graph between fixed buffers."""

    def __init__(self, program: Program, feeds: Arrays, device: torch.device) -> None:
        self._host = {n: torch.from_numpy(np.ascontiguousarray(a)).pin_memory() for n, a in feeds.items()}
        self._inputs = {n: t.to(device) for n, t in self._host.items()}
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP_RUNS):
                program.tensors(self._inputs)
        torch.cuda.current_stream().wait_stream(side)
        self._graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self._graph):
            self._outputs = program.tensors(self._inputs)

    def run(self, feeds: Arrays) -> dict[str, NDArray[np.generic]]:
        for name, array in feeds.items():
            self._host[name].copy_(torch.from_numpy(np.ascontiguousarray(array)))
            self._inputs[name].copy_(self._host[name], non_blocking=True)
        self._graph.replay()
        return {name: t.cpu().numpy() for name, t in self._outputs.items()}


class _Number:
    """A small integer tensor, with its numbers at hand."""

    def __init__(self, tensor: torch.Tensor, numbers: Any) -> None:
        self.tensor, self.numbers = tensor, numbers


def _plain(value: Any) -> Any:
    return value.numbers if isinstance(value, _Number) else value.tolist()


def _as_tensor(value: Any) -> torch.Tensor:
    return value.tensor if isinstance(value, _Number) else value


def _binary(function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]) -> Operator:
    return lambda x, _: function(_as_tensor(x[0]), _as_tensor(x[1]))


def _unary(function: Callable[[torch.Tensor], torch.Tensor]) -> Operator:
    return lambda x, _: function(x[0])


def _pads(x: torch.Tensor, a: Attributes, value: float = 0.0) -> torch.Tensor:
    """`pads` of a convolution or a pooling [top, left, bottom, right], as an explicit border."""
    top, left, bottom, right = a.get("pads") or (0, 0, 0, 0)
    if a.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        height, width = (
            max((-(-n // s) - 1) * s + k - n, 0)
            for n, s, k in zip(x.shape[2:], a.get("strides") or (1, 1), a["kernel_shape"], strict=True)
        )
        more_before = a["auto_pad"] == b"SAME_LOWER"
        top, left = ((n + 1) // 2 if more_before else n // 2 for n in (height, width))
        bottom, right = height - top, width - left
    return F.pad(x, (left, right, top, bottom), value=value) if any((top, left, bottom, right)) else x


def _conv(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    stride, dilation = a.get("strides") or (1, 1), a.get("dilations") or (1, 1)
    bias = x[2] if len(x) > 2 else None
    kernel = {"kernel_shape": x[1].shape[2:], **a}
    return F.conv2d(_pads(x[0], kernel), x[1], bias, tuple(stride), 0, tuple(dilation), a.get("group", 1))


def _average(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    if any(a.get("pads") or ()) and not a.get("count_include_pad"):
        raise ModelError("the torch backend does not know an average that leaves its border out")
    return F.avg_pool2d(_pads(x[0], a), a["kernel_shape"], a.get("strides") or (1, 1))


def _maximum(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    return F.max_pool2d(_pads(x[0], a, -torch.inf), a["kernel_shape"], a.get("strides") or (1, 1))


def _gemm(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    left = x[0].T if a.get("transA") else x[0]
    right = x[1].T if a.get("transB") else x[1]
    product = a.get("alpha", 1.0) * (left @ right)
    return product + a.get("beta", 1.0) * x[2] if len(x) > 2 else product


def _mean(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    axes = tuple(a["axes"] if "axes" in a else _plain(x[1]))
    return x[0].mean(axes, keepdim=bool(a.get("keepdims", 1)))


def _norm(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    return F.batch_norm(x[0], x[3], x[4], x[1], x[2], False, 0.0, a.get("epsilon", 1e-5))


def _clip(x: Sequence[Any], _: Attributes) -> torch.Tensor:
    low, high = (x[i] if len(x) > i else None for i in (1, 2))
    return torch.clamp(x[0], low, high)


def _unsqueeze(x: Sequence[Any], _: Attributes) -> torch.Tensor:
    tensor = x[0]
    for axis in sorted(_plain(x[1])):
        tensor = tensor.unsqueeze(axis)
    return tensor


def _slice(x: Sequence[Any], _: Attributes) -> torch.Tensor:
    starts, ends = _plain(x[1]), _plain(x[2])
    axes = _plain(x[3]) if len(x) > 3 else range(len(starts))
    steps = _plain(x[4]) if len(x) > 4 else [1] * len(starts)
    where = [slice(None)] * x[0].ndim
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        where[axis] = slice(start, end, step)
    return x[0][tuple(where)]


def _gather(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    chosen = _plain(x[1])
    axis = a.get("axis", 0)
    return x[0].select(axis, chosen) if isinstance(chosen, int) else x[0].index_select(axis, x[1].tensor)


def _pad(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    amounts = _plain(x[1])
    half = len(amounts) // 2
    pairs = [n for axis in reversed(range(half)) for n in (amounts[axis], amounts[half + axis])]
    return F.pad(x[0], pairs, value=a.get("value", 0.0))


def _prelu(x: Sequence[Any], _: Attributes) -> torch.Tensor:
    return torch.where(x[0] > 0, x[0], x[0] * x[1])


def _cast(x: Sequence[Any], a: Attributes) -> torch.Tensor:
    return x[0].to(torch.from_numpy(np.zeros(0, helper.tensor_dtype_to_np_dtype(a["to"]))).dtype)


def _reshape(x: Sequence[Any], _: Attributes) -> torch.Tensor:
    sizes = [x[0].shape[i] if n == 0 else n for i, n in enumerate(_plain(x[1]))]
    return x[0].reshape(sizes)


OPERATORS: Mapping[str, Operator] = {
    "Add": _binary(torch.add),
    "Sub": _binary(torch.sub),
    "Mul": _binary(torch.mul),
    "Div": _binary(torch.div),
    "MatMul": _binary(torch.matmul),
    "Relu": _unary(torch.relu),
    "Sqrt": _unary(torch.sqrt),
    "Tanh": _unary(torch.tanh),
    "Sigmoid": _unary(torch.sigmoid),
    "Identity": lambda x, _: _as_tensor(x[0]),
    "Cast": _cast,
    "Conv": _conv,
    "AveragePool": _average,
    "MaxPool": _maximum,
    "GlobalAveragePool": lambda x, _: x[0].mean((2, 3), keepdim=True),
    "Gemm": _gemm,
    "Softmax": lambda x, a: torch.softmax(x[0], a.get("axis", -1)),
    "ReduceMean": _mean,
    "BatchNormalization": _norm,
    "Clip": _clip,
    "Unsqueeze": _unsqueeze,
    "Slice": _slice,
    "Gather": _gather,
    "Pad": _pad,
    "PRelu": _prelu,
    "Reshape": _reshape,
    "Flatten": lambda x, a: x[0].flatten(a.get("axis", 1)),
    "Transpose": lambda x, a: x[0].permute(tuple(a["perm"])),
    "Concat": lambda x, a: torch.cat(list(x), a["axis"]),
}


def _tensor(array: NDArray[Any], device: torch.device) -> torch.Tensor:
    return torch.tensor(np.ascontiguousarray(array).reshape(array.shape), device=device)


def _dtype(value: onnx.ValueInfoProto) -> np.dtype[Any]:
    return np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type))


def _shape(value: onnx.ValueInfoProto) -> Shape:
    dims = value.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in dims)


def _fits(shape: tuple[int, ...], wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        n > 0 if w is None else n == w for n, w in zip(shape, wanted, strict=True)
    )

"""Compiles a typed ONNX graph to a serialised TensorRT engine, for a range of shapes and a target card."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx

from mtclar.engine.backends.tensorrt.distribution import RTX, Capability, TrtDistribution, dotted
from mtclar.engine.errors import BackendError, ModelError

Progress = Callable[[str], None]
"""Receives messages for the user about slow steps."""

Shape = tuple[int, ...]

# An open axis by its name in the graph -> (min, opt, max) lengths, one triple for each profile.
BATCH = "B"
SUPPORT = "N"
MAX_BATCH = 64
MAX_SUPPORT = 1024
RANGES: Mapping[str, tuple[tuple[int, int, int], ...]] = {
    BATCH: ((1, 1, 1), (1, 8, MAX_BATCH)),
    SUPPORT: ((1, 16, MAX_SUPPORT), (1, 16, MAX_SUPPORT)),
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """The shapes of one input that a profile covers."""

    min: Shape
    opt: Shape
    max: Shape


Profile = Mapping[str, Bounds]  # by input


@dataclass(slots=True)
class ErrorLog:
    """TensorRT's log of errors, for our error messages."""

    errors: list[str] = field(default_factory=list)

    @property
    def last(self) -> str:
        return self.errors[-1].strip()[:300] if self.errors else "no reason was given"


def new_logger(api: Any) -> tuple[Any, ErrorLog]:
    """TensorRT's logger, which keeps errors instead of writing them to stderr."""
    messages = ErrorLog()

    class Log(api.ILogger):
        def __init__(self) -> None:
            api.ILogger.__init__(self)

        def log(self, severity: Any, message: str) -> None:
            if severity in (api.ILogger.Severity.ERROR, api.ILogger.Severity.INTERNAL_ERROR):
                messages.errors.append(message)

    return Log(), messages


def axes_of(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    """The axes of a graph's input or output: their length, or the name of an open one."""
    return tuple(
        dim.dim_value if dim.HasField("dim_value") else dim.dim_param
        for dim in value.type.tensor_type.shape.dim
    )


def profiles_of(model: onnx.ModelProto) -> tuple[Profile, ...]:
    """The optimisation profiles of this graph: one for one face and one for many; a single one for a fixed shape.

    Raises ModelError when an open axis is neither the batch nor the support set.
    """
    inputs = {value.name: axes_of(value) for value in model.graph.input}
    open_axes = {axis for axes in inputs.values() for axis in axes if isinstance(axis, str)}
    unknown = open_axes - set(RANGES)
    if unknown:
        raise ModelError(
            f"the graph has an open axis {sorted(unknown)[0]!r}",
            f"the engine knows {', '.join(RANGES)}; export the network again",
        )
    count = max((len(RANGES[axis]) for axis in open_axes if axis == BATCH), default=1)

    def shape(axes: tuple[int | str, ...], profile: int, which: int) -> Shape:
        return tuple(RANGES[axis][profile][which] if isinstance(axis, str) else axis for axis in axes)

    return tuple(
        {name: Bounds(*(shape(axes, profile, which) for which in range(3))) for name, axes in inputs.items()}
        for profile in range(count)
    )


def build(
    distribution: TrtDistribution,
    model: onnx.ModelProto,
    *,
    label: str,
    capability: Capability | None = None,
    progress: Progress | None = None,
) -> bytes:
    """Compiles for the card of this machine, or for `capability` where the distribution can do that without the card.

    Raises BackendError with TensorRT's own reason.
    """
    api = distribution.api
    logger, messages = new_logger(api)
    builder = api.Builder(logger)
    if builder is None:
        raise BackendError(f"{distribution.name} cannot start: {messages.last}", "run `mtclar-stream doctor`")
    network = builder.create_network(1 << int(api.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = api.OnnxParser(network, logger)
    if not parser.parse(model.SerializeToString()):
        reasons = "; ".join(str(parser.get_error(i).desc()) for i in range(parser.num_errors))
        raise BackendError(
            f"{distribution.name} cannot read the network {label}: {reasons}", "use --backend onnxruntime"
        )
    config = configure(distribution, builder, model, capability)
    if progress is not None:
        config.progress_monitor = _monitor(api, label, progress)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        hint = "use --backend onnxruntime"
        if "FP32" in messages.last:  # TensorRT for RTX has no fp32 matrix product for Turing
            hint = f"this card's matrix products are fp16: use fp16, or {hint[4:]}"
        if "HW-specific datatypes" in messages.last:
            hint = f"fp8 is for compute capability 8.9 and later: use int8 or fp16, or {hint[4:]}"
        raise BackendError(f"{distribution.name} could not compile {label}: {messages.last}", hint)
    return bytes(plan)


def configure(
    distribution: TrtDistribution, builder: Any, model: onnx.ModelProto, capability: Capability | None
) -> Any:
    """The build's configuration: profiles, target, and the verbosity that the inspector needs later."""
    api = distribution.api
    config = builder.create_builder_config()
    for profile in profiles_of(model):
        made = builder.create_optimization_profile()
        for name, bounds in profile.items():
            made.set_shape(name, bounds.min, bounds.opt, bounds.max)
        config.add_optimization_profile(made)
    config.profiling_verbosity = api.ProfilingVerbosity.DETAILED  # so that the inspector names precisions
    config.clear_flag(api.BuilderFlag.TF32)  # fp32 means fp32: TF32 keeps 10 bits of the mantissa
    if hasattr(api.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
        config.set_flag(api.BuilderFlag.REQUIRE_USER_ALLOCATION)  # needed to record a CUDA graph (RTX)
    if capability is not None:
        distribution.require_target(capability)
        if not distribution.targets():
            raise BackendError(
                f"{distribution.name} compiles only for the card of the machine that it runs on",
                f"run it there, or use {RTX}",
            )
        config.num_compute_capabilities = 1
        target = getattr(api.ComputeCapability, f"SM{capability[0]}{capability[1]}")
        if not config.set_compute_capability(target, 0):
            raise BackendError(f"{distribution.name} refuses the compute capability {dotted(capability)}")
    return config


def _monitor(api: Any, label: str, progress: Progress) -> Any:
    """Reports the build's progress in quarters of TensorRT's outermost phase."""

    class Monitor(api.IProgressMonitor):
        def __init__(self) -> None:
            api.IProgressMonitor.__init__(self)
            self._outer: tuple[str, int] | None = None
            self._reported = 0

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            if not parent:
                self._outer = (phase, max(steps, 1))
                self._reported = 0

        def step_complete(self, phase: str, step: int) -> bool:
            if self._outer is not None and phase == self._outer[0]:
                quarters = min(4 * (step + 1) // self._outer[1], 3)
                if quarters > self._reported:
                    self._reported = quarters
                    progress(f"Compiling {label}: {25 * quarters} %")
            return True

        def phase_finish(self, phase: str) -> None:
            if self._outer is not None and phase == self._outer[0]:
                self._outer = None
                progress(f"Compiling {label}: 100 %")

    return Monitor()


_CONSTANT = re.compile(rb"const_payload_size=(\d+)[^\n]*? type=(\w+) ")
_DATATYPE = re.compile(r'"(?:Format/)?[Dd]ata ?type" *: *"([^"]*)"')
PRECISION_OF = {
    "half": "fp16",
    "float": "fp32",
    "int8": "int8",
    "fp8": "fp8",
    "fp8_e4m3": "fp8",
    "bfloat16": "bf16",
}


def stored_precisions(plan: bytes) -> dict[str, int]:
    """Bytes of weights by precision ('fp16', ...), read back from a serialised engine; empty if it has no record.

    TensorRT for RTX writes a description of the compiled kernels' constants into the engine.
    """
    found: dict[str, int] = {}
    for size, kind in _CONSTANT.findall(plan):
        name = PRECISION_OF.get(kind.decode(), kind.decode())
        found[name] = found.get(name, 0) + int(size)
    return found


def inspected_precisions(information: str) -> dict[str, int]:
    """Tensors by precision, from the JSON of TensorRT's engine inspector; empty if it names none."""
    found: dict[str, int] = {}
    for text in _DATATYPE.findall(information):
        for word, name in PRECISION_OF.items():
            if re.search(rf"\b{word}\b|\b{name}\b", text.lower()):
                found[name] = found.get(name, 0) + 1
                break
    return found


def main_precision(found: Mapping[str, int]) -> str:
    """The precision that most of an engine has."""
    return max(found, key=lambda name: found[name]) if found else "precision unknown"

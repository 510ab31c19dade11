"""The two distributions of TensorRT: for data-centre cards and for RTX cards, with one interface."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, Self

from mtclar.engine.errors import BackendError, UsageError
from mtclar.engine.installation.extras import install_command

Capability = tuple[int, int]

# Name (also of the extra) -> module.
MODULES = {"tensorrt": "tensorrt", "tensorrt-rtx": "tensorrt_rtx"}
RTX = "tensorrt-rtx"


@dataclass(frozen=True, slots=True, eq=False)
class TrtDistribution:
    """One TensorRT, imported."""

    name: str
    api: Any  # the module

    @classmethod
    def load(cls, name: str) -> Self:
        """Raises BackendError when it is not installed, or its libraries cannot be loaded."""
        install = install_command(name)
        try:
            return cls(name, import_module(MODULES[name]))
        except ModuleNotFoundError as error:
            raise BackendError(f"{name} is not installed", install) from error
        except (ImportError, OSError, RuntimeError) as error:
            raise BackendError(f"{name} cannot be loaded: {error}", f"{install} --force-reinstall") from error

    @property
    def version(self) -> str:
        return str(self.api.__version__)

    def targets(self) -> tuple[Capability, ...]:
        """The compute capabilities that it can compile for on any machine; none: only for the card at hand."""
        known = getattr(self.api, "ComputeCapability", None)
        if known is None:
            return ()
        numbers = [int(name[2:]) for name in known.__members__ if name.startswith("SM")]
        return tuple(sorted((number // 10, number % 10) for number in numbers))

    def require_target(self, capability: Capability) -> None:
        """Raises BackendError when it cannot compile for such a card."""
        targets = self.targets()
        if targets and capability not in targets:
            other = next(name for name in MODULES if name != self.name)
            raise BackendError(
                f"{self.name} {self.version} does not support compute capability {dotted(capability)} "
                f"(it does: {', '.join(map(dotted, targets))})",
                f"try --backend {other}, --backend onnxruntime:cuda or --backend torch:cuda",
            )


def dotted(capability: Capability) -> str:
    """(8, 6) -> '8.6'."""
    return f"{capability[0]}.{capability[1]}"


def parse_capability(text: str) -> Capability:
    """'8.6', '86' or 'sm86' -> (8, 6). Raises UsageError."""
    digits = text.lower().removeprefix("sm").removeprefix("_").replace(".", "")
    if not digits.isdecimal() or not 2 <= len(digits) <= 3:
        raise UsageError(f"{text!r} is not a compute capability", "such as 8.6; `nvidia-smi` names the card")
    return int(digits[:-1]), int(digits[-1])

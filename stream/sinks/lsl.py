"""`--sink lsl`: outlets of the Lab Streaming Layer, beside EEG and other signals of a lab. Needs the extra `[lsl]`.

Each subject of each stream is an outlet of type Affect, each stream has an outlet of type Markers for marks.
Metadata follow the conventions of XDF: https://github.com/sccn/xdf/wiki/Meta-Data
"""

import logging
import math
import os
import socket
import stat
import time
from collections.abc import Callable, Sequence
from typing import get_args
from xml.etree import ElementTree

import pylsl
from pylsl.info import XMLElement

from mtclar.engine.data_types import Affect, FaceState
from mtclar.engine.errors import UsageError
from mtclar.stream.protocol.messages import AffectMessage, MarkMessage, ModelInfo, StreamInfo
from mtclar.stream.sinks.base import Sink
from mtclar.stream.sinks.face_names import FaceNames

log = logging.getLogger(__name__)

CHANNELS = ("valence", "arousal", "valence_sd", "arousal_sd", "state", "in_support")
STATES = ("absent", *get_args(FaceState))
"""Their index is the value of the channel `state`."""

ABSENT = (*4 * (math.nan,), 0.0, math.nan)

THIS_MACHINE = """
[multicast]
ResolveScope = machine
MachineAddresses = {127.0.0.1}
ListenAddress = 127.0.0.1
[ports]
IPv6 = disable
[log]
level = -1
"""
"""liblsl's configuration for discovery over the loopback interface alone; the log has warnings and errors."""

OWN_SOURCE_ID = "mtclar"
"""The first word of the source_id of our outlets."""

CLOCK_READINGS = 20

_network: bool | None = None  # what `choose_network` was called with


def open_lsl(argument: str) -> "LslSink":
    """The sink of `lsl`, and of `lsl://network` for inlets on other machines."""
    if argument not in ("", "network"):
        raise UsageError(f"the lsl sink does not take '{argument}'", "write lsl, or lsl://network")
    return LslSink(network=argument == "network")


class LslSink(Sink):
    """Pushes a sample for each frame and subject, stamped with the time of capture on LSL's clock.

    A value is NaN where there is none, and all are while the subject is absent. The rate is irregular, as LSL calls
    a rate whose frames may be dropped. With `network`, liblsl's own configuration says who can find the outlets;
    otherwise only programs of this machine can find and read them.
    """

    def __init__(self, *, network: bool = False) -> None:
        choose_network(network)
        self._network = network
        self._streams: dict[str, StreamInfo] = {}
        self._names: dict[str, FaceNames] = {}
        self._outlets: dict[str, dict[str, pylsl.StreamOutlet]] = {}  # by stream and name of the face
        self._markers: dict[str, pylsl.StreamOutlet] = {}
        self._offset_s = 0.0  # LSL's clock minus the monotonic one

    def open(self, streams: Sequence[StreamInfo]) -> None:
        self._offset_s = clock_offset_s()
        for info in streams:
            self._streams[info.stream] = info
            self._names[info.stream] = FaceNames()
            self._outlets[info.stream] = {}
            self._markers[info.stream] = self._outlet(
                f"Marks {info.stream}", "Markers", ("label",), pylsl.cf_string, f"{info.stream} marks"
            )
            for name in [subject.subject for subject in info.subjects] or ["face-1"]:
                self._add(info.stream, name)  # a recorder lists the outlets before there is a face

    def affect(self, message: AffectMessage) -> None:
        """One sample for each subject of the stream, present or not."""
        outlets = self._outlets[message.stream]
        named = self._names[message.stream](message.faces)
        for name in named.keys() - outlets.keys():
            self._add(message.stream, name)
        time_s = message.t_capture_s + self._offset_s
        for name, outlet in outlets.items():
            face = named.get(name)
            outlet.push_sample(ABSENT if face is None else sample(face), time_s)

    def mark(self, message: MarkMessage) -> None:
        """The label, in the stream of the mark or in all."""
        for stream, outlet in self._markers.items():
            if message.stream in (None, stream):
                outlet.push_sample([message.label], message.t_s + self._offset_s)

    def close(self) -> None:
        """Removes the outlets from the network."""
        self._outlets.clear()
        self._markers.clear()

    def _add(self, stream: str, name: str) -> None:
        self._outlets[stream][name] = self._outlet(
            f"Affect {stream} {name}",
            "Affect",
            CHANNELS,
            pylsl.cf_float32,
            f"{stream} {name}",
            lambda desc: describe(desc, self._streams[stream], name, self.model),
        )

    def _outlet(
        self,
        name: str,
        kind: str,
        channels: Sequence[str],
        form: int,
        identity: str,
        add_metadata: Callable[[XMLElement], None] = lambda _: None,
    ) -> pylsl.StreamOutlet:
        """An outlet of irregular rate. `identity` on this machine: an inlet finds the outlet of the next run by it."""
        source_id = f"{OWN_SOURCE_ID} {socket.gethostname()} {identity}"
        info = pylsl.StreamInfo(name, kind, len(channels), pylsl.IRREGULAR_RATE, form, source_id)
        add_metadata(info.desc())
        outlet = pylsl.StreamOutlet(info)
        if not self._network and not keep_on_loopback(outlet):
            log.warning("other machines that reach this one can read the LSL stream '%s'", name)
        return outlet


def choose_network(network: bool) -> None:
    """Before liblsl is used: whether its streams are those of the local network, or of this machine alone.

    Raises UsageError where another part of this process has chosen otherwise: liblsl has one configuration.
    """
    global _network
    if _network not in (None, network):
        raise UsageError(
            "lsl and lsl://network exclude each other in one run",
            "write ://network for the sink and the markers, or for neither",
        )
    _network = network
    if not network:
        pylsl.util.set_config_content(THIS_MACHINE)


def clock_offset_s() -> float:
    """LSL's clock minus the monotonic clock, in seconds, from the reading with the least time around it."""
    readings = []
    for _ in range(CLOCK_READINGS):
        before_s, lsl_s, after_s = time.monotonic(), pylsl.local_clock(), time.monotonic()
        readings.append((after_s - before_s, lsl_s - (before_s + after_s) / 2))
    return min(readings)[1]


def sample(face: Affect) -> tuple[float, ...]:
    """The values of CHANNELS."""
    values = (face.valence, face.arousal, face.valence_sd, face.arousal_sd)
    return (
        *(math.nan if value is None else value for value in values),
        float(STATES.index(face.state)),
        math.nan if face.raw is None else float(face.raw.in_support),
    )


def describe(desc: XMLElement, info: StreamInfo, name: str, model: ModelInfo | None) -> None:
    """Writes labels, units, source, model and support set of a subject into the metadata of its outlet."""
    channels = desc.append_child("channels")
    for label in CHANNELS:
        channel = channels.append_child("channel")
        channel.append_child_value("label", label)
        channel.append_child_value("type", "Affect")
        channel.append_child_value("unit", {"state": "code", "in_support": "bool"}.get(label, "normalized"))
    states = desc.append_child("states")
    for code, state in enumerate(STATES):
        states.append_child(state).append_child_value("code", str(code))
    desc.append_child("synchronization").append_child_value("can_drop_samples", "true")
    source = desc.append_child("source")
    source.append_child_value("label", info.label)
    if info.fps is not None:
        source.append_child_value("nominal_rate", f"{info.fps:g}")
    acquisition = desc.append_child("acquisition")
    acquisition.append_child_value("manufacturer", "mtclar-stream")
    if model is not None:
        acquisition.append_child_value("model", model.id)
        acquisition.append_child_value("model_sha256", model.sha256)
    subject = desc.append_child("subject")
    subject.append_child_value("id", name)
    for support in info.subjects:
        if support.subject == name:
            subject.append_child("support_set").append_child_value("frames", str(support.frames))


def keep_on_loopback(outlet: pylsl.StreamOutlet) -> bool:
    """Binds the ports of an outlet to the loopback interface: liblsl has no setting for it. False where impossible."""
    description = ElementTree.fromstring(outlet.get_info().as_xml())
    ports = {int(description.findtext(name) or 0) for name in ("v4data_port", "v4service_port")} - {0}
    bound = set()
    try:
        for name in os.listdir("/proc/self/fd"):  # noqa: PTH208  # names, not paths
            if (port := _any_address_port(int(name))) in ports:
                with socket.socket(fileno=os.dup(int(name))) as duplicate:
                    duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo\0")
                bound.add(port)
    except (OSError, AttributeError):  # an old kernel, or not Linux
        return False
    return bound == ports


def _any_address_port(descriptor: int) -> int | None:
    """The port of a socket that is bound to all IPv4 addresses of this machine."""
    try:
        if not stat.S_ISSOCK(os.fstat(descriptor).st_mode):
            return None
        with socket.socket(fileno=os.dup(descriptor)) as duplicate:
            name = duplicate.getsockname()
    except OSError:  # closed meanwhile
        return None
    return name[1] if duplicate.family == socket.AF_INET and name[0] == "0.0.0.0" else None

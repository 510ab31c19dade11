"""Savings and cost of permessage-deflate: bytes and processor time a message, by what its contexts keep.

    python -m experiments.server.deflate                 # the table
    python -m experiments.server.deflate --write         # -> docs/results/performance.md

The bytes go through the library's own protocol objects, server and client side, without sockets: what is measured is
the extension. Each client has a compressor of its own, as RFC 7692 wants it, so the cost is one a client and message.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from websockets.extensions.permessage_deflate import PerMessageDeflate
from websockets.frames import Frame, Opcode

from experiments.server.fan_out import RATE_HZ, message
from tools.arguments import parser_of
from tools.docs.generated import replace_section

PAGE = Path(__file__).parents[2] / "docs" / "results" / "performance.md"
MESSAGES, REPEATS = 2000, 5
HEADER_BYTES = 4


@dataclass(frozen=True, slots=True)
class Way:
    """One way to send."""

    name: str
    extension: Callable[[], PerMessageDeflate] | None = None


def deflate(bits: int, level: int, takeover: bool) -> Callable[[], PerMessageDeflate]:
    """The server's half of the extension."""
    settings = {"level": level, "memLevel": min(9, bits - 7)}
    return lambda: PerMessageDeflate(not takeover, not takeover, bits, bits, settings)


WAYS = (
    Way("no deflate"),
    Way("no context kept (window 2^12, level 1)", deflate(12, 1, False)),
    Way("context kept (window 2^12, level 1)", deflate(12, 1, True)),
    Way("context kept (window 2^12, level 6: the library's default)", deflate(12, 6, True)),
    Way("context kept (window 2^15, level 6)", deflate(15, 6, True)),
)


def moving(count: int) -> list[bytes]:
    """A face that moves: messages whose figures all differ, as real ones do."""
    sent = []
    for seq in range(count):
        content = json.loads(message(seq, 1000 + seq / RATE_HZ).encode())
        face, turn = content["faces"][0], seq / 17
        face["valence"], face["arousal"] = round(math.sin(turn), 4), round(math.cos(turn / 3), 4)
        face["raw"] = [round(math.sin(turn + 0.1), 4), round(math.cos(turn / 3 + 0.1), 4)]
        face["sd"] = [round(0.05 + 0.01 * math.sin(3 * turn), 4), round(0.06 + 0.01 * math.cos(5 * turn), 4)]
        face["box"] = [
            round(210 + 9 * math.sin(turn / 2), 4),
            round(120 + 7 * math.cos(turn / 2), 4),
            180.1234,
            200.4321,
        ]
        face["pose"] = [
            round(9 * math.sin(turn / 5), 4),
            round(4 * math.cos(turn / 4), 4),
            round(math.sin(turn), 4),
        ]
        face["nearest_similarity"] = round(0.9 + 0.09 * math.sin(turn), 4)
        parts = [
            round(0.4 + 0.1 * math.sin(9 * turn), 4),
            round(3.2 + math.sin(7 * turn), 4),
            round(4 + math.cos(7 * turn), 4),
        ]
        content["latency_ms"] = dict(
            zip(("queue", "track", "estimate", "total"), [*parts, round(sum(parts), 4)], strict=True)
        )
        sent.append(json.dumps(content, separators=(",", ":")).encode())
    return sent


def measure(way: Way, messages: list[bytes]) -> tuple[float, float]:
    """Bytes and microseconds of the server's processor a message; the quickest of some tries."""
    size, best_s = 0, math.inf
    for _ in range(REPEATS):
        extension = None if way.extension is None else way.extension()
        size, began_s = 0, time.process_time()
        for data in messages:
            frame = Frame(Opcode.TEXT, data)
            if extension is not None:
                frame = extension.encode(frame)
            size += len(frame.data) + HEADER_BYTES
        best_s = min(best_s, time.process_time() - began_s)
    return size / len(messages), 1e6 * best_s / len(messages)


def table() -> str:
    """Markdown."""
    messages = moving(MESSAGES)
    plain_bytes, plain_us = measure(WAYS[0], messages)
    lines = [
        f"One moving face, {MESSAGES:,} messages, processor time of the server for one client, which "
        f"is also what it adds to that client's latency; {RATE_HZ:g} messages a second "
        "(`python -m experiments.server.deflate --write`):",
        "",
        "| | bytes a message | kB/s a client | deflate, us a message | 100 clients, cores |",
        "|---|---|---|---|---|",
    ]
    for way in WAYS:
        size, took_us = (plain_bytes, plain_us) if way.extension is None else measure(way, messages)
        cost_us = 0.0 if way.extension is None else took_us - plain_us
        cores = f"{cost_us * 1e-6 * RATE_HZ * 100:.3f}"
        lines.append(f"| {way.name} | {size:.0f} | {size * RATE_HZ / 1000:.1f} | {cost_us:.1f} | {cores} |")
    return "\n".join(lines)


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--write", action="store_true", help=f"put the table into {PAGE.name}")
    wanted = parser.parse_args()
    text = table()
    print(text)
    if wanted.write:
        replace_section(PAGE, "deflate", text)


if __name__ == "__main__":
    main()

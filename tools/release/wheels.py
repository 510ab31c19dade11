"""Does every dependency have a wheel for every platform? Asks the package index, platform by platform.

    python -m tools.release.wheels                  # the program's own dependencies, on every platform and Python
    python -m tools.release.wheels --extra analysis --platform windows-x86_64

`pip install --dry-run --only-binary` resolves the dependencies with constraints.txt as a machine of that platform
would; what it says is the answer. pip evaluates markers such as `sys_platform` for the machine on which it runs, so
what one platform alone needs is named in ONLY_THERE (the requirements of a release show it). Nothing is kept.
"""

import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.arguments import parser_of

ROOT = Path(__file__).resolve().parents[2]
PLATFORMS = {
    "linux-x86_64": [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17)]
    + ["manylinux2014_x86_64"],
    "linux-aarch64": [f"manylinux_2_{minor}_aarch64" for minor in (28, 27, 26, 24, 17)]
    + ["manylinux2014_aarch64"],
    "macos-arm64": [f"macosx_{major}_0_arm64" for major in (14, 13, 12, 11)] + ["macosx_11_0_universal2"],
    "macos-x86_64": [f"macosx_{major}_0_x86_64" for major in (14, 13, 12, 11)]
    + ["macosx_10_13_x86_64", "macosx_10_9_x86_64", "macosx_10_9_universal2"],
    "windows-x86_64": ["win_amd64"],
    "windows-arm64": ["win_arm64"],
}
"""Platform -> tags that pip accepts there, best first: glibc 2.28 and macOS 14 are the oldest systems meant."""
ONLY_THERE = {"windows-x86_64": ["colorama"], "windows-arm64": ["colorama"]}
PYTHONS = ("3.11", "3.12", "3.13", "3.14")


def pip_platform_options(tags: Sequence[str], python: str) -> list[str]:
    """Options that make pip resolve for another machine: wheels only."""
    version = python.replace(".", "")
    abis = [f"cp{version}", "abi3", "none"]
    return [
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={python}",
        *(f"--platform={tag}" for tag in tags),
        *(f"--abi={abi}" for abi in abis),
    ]


def requirements(extras: Sequence[str]) -> list[str]:
    """The project's dependencies, with those of the extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    if unknown := set(extras) - set(optional):
        sys.exit(f"there is no extra {min(unknown)}; there are {', '.join(optional)}")
    return [*project["dependencies"], *(name for extra in extras for name in optional[extra])]


def missing(platform: str, python: str, wanted: Sequence[str], constraints: Path) -> list[str]:
    """Requirements without a wheel there, as pip names them; empty if all are there."""
    options = pip_platform_options(PLATFORMS[platform], python)
    with tempfile.TemporaryDirectory() as folder:
        wanted = [*wanted, *ONLY_THERE.get(platform, [])]
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet"]
        done = subprocess.run(
            [*command, "--target", folder, "--constraint", str(constraints), *options, *wanted],
            capture_output=True,
            text=True,
        )
    if done.returncode == 0:
        return []
    errors = [line.removeprefix("ERROR: ") for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return errors[:1] or [done.stderr.strip()[-300:]]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--extra", action="append", default=[], help="with this extra; repeatable")
    parser.add_argument("--platform", action="append", choices=PLATFORMS, help="this one only; repeatable")
    parser.add_argument("--python", action="append", choices=PYTHONS, help="this one only; repeatable")
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt")
    asked = parser.parse_args()
    wanted = requirements(asked.extra)
    platforms, pythons = asked.platform or list(PLATFORMS), asked.python or list(PYTHONS)
    lacking = 0
    with ThreadPoolExecutor(2) as pool:
        for platform in platforms:
            answers = pool.map(
                lambda python, platform=platform: missing(platform, python, wanted, asked.constraints),
                pythons,
            )
            for python, found in zip(pythons, answers, strict=True):
                lacking += bool(found)
                print(f"{platform:15} {python}: {found[0] if found else 'every wheel is there'}", flush=True)
    if lacking:
        sys.exit(f"{lacking} of {len(platforms) * len(pythons)} lack a wheel")


if __name__ == "__main__":
    main()

"""Builds a release into dist/ (`make release`): wheel, sdist, requirements with hashes, SBOM, checksums.

    python -m tools.release.build --out dist

From the commit alone: changes that are not committed are left out, with a warning. Wheel and sdist are built twice, in
two folders, and must be the same byte for byte; the commit's time is the time of every file in them. `twine check`
reads both. `requirements.txt` pins everything that the wheel needs, on every platform, with the hashes of the files;
the SBOM (CycloneDX) lists the same.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.arguments import parser_of

ROOT = Path(__file__).resolve().parents[2]
BUILD_INFO = Path("engine") / "installation" / "build.json"
OLDEST_PYTHON = "3.11"


def run(*command: str | Path, cwd: Path = ROOT, environment: dict[str, str] | None = None) -> str:
    """The output of a command; exits with all that it said when it fails."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | (environment or {}),
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))} -> {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def export(commit: str, folder: Path) -> None:
    """The files of a commit, with the commit's name for `mtclar-stream --version`."""
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit], cwd=ROOT, check=True, capture_output=True
    )
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    (folder / BUILD_INFO).write_text(json.dumps({"commit": commit}) + "\n")


def build(commit: str, out: Path) -> list[Path]:
    """Sdist and wheel of a commit, in `out`."""
    epoch = run("git", "show", "--no-patch", "--format=%ct", commit).strip()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "source"
        source.mkdir()
        export(commit, source)
        fixed = {"SOURCE_DATE_EPOCH": epoch, "PYTHONHASHSEED": "0", "TZ": "UTC"}
        pinned = {"PIP_CONSTRAINT": str(ROOT / "constraints.txt")}
        run(sys.executable, "-m", "build", "--outdir", out, source, environment=fixed | pinned)
    for sdist in out.glob("*.tar.gz"):
        same_times(sdist, int(epoch))
    return sorted(out.iterdir())


def same_times(sdist: Path, epoch: int) -> None:
    """Packs an sdist again, in the order of the names, all files of one time and no user: setuptools keeps neither."""
    packed = io.BytesIO()
    with tarfile.open(sdist) as old, tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as new:
        for member in sorted(old.getmembers(), key=lambda one: one.name):
            content = old.extractfile(member) if member.isfile() else None
            member.mtime, member.uid, member.gid, member.uname, member.gname = epoch, 0, 0, "", ""
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            member.pax_headers = {}
            new.addfile(member, content)
    with sdist.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=epoch) as compressed:
        compressed.write(packed.getvalue())


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def built_twice(commit: str, out: Path) -> list[Path]:
    """Sdist and wheel in `out`; exits if a second build differs in a byte. Prints the hashes of both."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        first, second = build(commit, Path(one)), build(commit, Path(two))
        for a, b in zip(first, second, strict=True):
            print(f"{digest(a)}  {a.name}\n{digest(b)}  {b.name}, built again", flush=True)
            if a.name != b.name or digest(a) != digest(b):
                sys.exit(f"{a.name} differs between two builds of {commit}")
        return [Path(shutil.copy2(path, out)) for path in first]


def requirements(out: Path) -> Path:
    """Everything that the wheel needs, in the versions of constraints.txt, with hashes, for every platform."""
    path = out / "requirements.txt"
    uv = Path(sys.executable).with_name("uv")
    run(
        uv, "pip", "compile", "--quiet", "--universal", "--generate-hashes", "--no-header", "--no-annotate",
        f"--python-version={OLDEST_PYTHON}", "--constraint", ROOT / "constraints.txt",
        "--output-file", path, ROOT / "pyproject.toml",
    )  # fmt: skip
    return path


def bill_of_materials(locked: Path, out: Path) -> Path:
    """The SBOM of the locked requirements, the same for the same input."""
    path = out / "sbom.cdx.json"
    program = Path(sys.executable).with_name("cyclonedx-py")
    run(
        program, "requirements", locked, "--pyproject", ROOT / "pyproject.toml", "--output-reproducible",
        "--output-format", "JSON", "--output-file", path,
    )  # fmt: skip
    return path


def checksums(paths: Sequence[Path], out: Path) -> None:
    """SHA256SUMS, for `sha256sum --check`."""
    (out / "SHA256SUMS").write_text("".join(f"{digest(path)}  {path.name}\n" for path in paths))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="an empty or new folder")
    out = parser.parse_args().out.resolve()
    if out.exists() and any(out.iterdir()):
        parser.error(f"{out} is not empty: a release must not mix with an older one")
    commit = run("git", "rev-parse", "HEAD").strip()
    if changed := run("git", "status", "--porcelain").strip():
        print(f"warning: left out, because it is not committed:\n{changed}", file=sys.stderr)
    packages = built_twice(commit, out)
    print(run(sys.executable, "-m", "twine", "check", "--strict", *packages).strip())
    locked = requirements(out)
    others = [locked, bill_of_materials(locked, out)]
    checksums([*packages, *others], out)
    print(f"commit {commit}; in {out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


if __name__ == "__main__":
    main()

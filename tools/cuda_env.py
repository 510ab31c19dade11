"""Makes an environment with NVIDIA's driver library and pycuda, for tests of both on a machine without a card.

    python -m tools.cuda_env build/cuda

The library is the one that Debian packages (non-free), downloaded and unpacked, never installed: without a card it
answers every call with an error code. pycuda is built against it and against the headers of NVIDIA's wheels; it has no
wheels of its own. All other packages come from the environment that runs this. Run `folder`/bin/python with
LD_LIBRARY_PATH=`folder`/lib.
"""

import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

from tools.arguments import parser_of

PYCUDA = "pycuda==2026.1"
HEADERS = (
    "nvidia-cuda-runtime-cu12==12.2.140",
    "nvidia-cuda-profiler-api-cu12==12.2.140",
)  # of the driver's version
DRIVER_PACKAGE = "libcuda1"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
LIBRARY = "libcuda.so.1"
# Unoptimised: it is built for its errors, and the compiler takes a third of the time.
SITE_CONFIGURATION = """\
CUDA_INC_DIR = [{include!r}]
CUDADRV_LIB_DIR = [{lib!r}]
CUDA_ENABLE_CURAND = False
CXXFLAGS = ["-O0", "-g0"]
"""


def make(folder: Path) -> None:
    """Writes `folder`/bin/python with pycuda and `folder`/lib with the driver's library; a finished folder stays."""
    finished = folder / "finished"
    if finished.is_file():
        return
    folder = folder.resolve()
    library = folder / "lib" / LIBRARY
    library.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        shutil.copyfile(download_driver(work), library)
        link = library.with_name("libcuda.so")  # the name that a linker looks for
        link.unlink(missing_ok=True)
        link.symlink_to(LIBRARY)
        wheel = build_pycuda(work, library.parent)
        venv.create(folder, with_pip=True)
        python = str(folder / "bin" / "python")
        pip = [python, "-m", "pip", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--constraint", "constraints.txt", str(wheel)], check=True)
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip())
    # addsitedir, unlike a plain path, reads the .pth file of an editable install.
    here = sysconfig.get_path("purelib")
    (packages / "calling_environment.pth").write_text(f"import site; site.addsitedir({here!r})\n")
    finished.write_text(f"{PYCUDA}\n")


def download_driver(work: Path) -> Path:
    """Downloads the driver's package of this Debian into `work`, with package lists of its own, and unpacks it."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]
    found = subprocess.run([*targets, "Origin: Debian"], check=True, capture_output=True, text=True).stdout
    if not found or not KEYRING.is_file():
        raise SystemExit("NVIDIA's driver library is taken from Debian's packages: this is not a Debian")
    uri, release = found.split()[:2]
    (work / "sources.list").write_text(f"deb [signed-by={KEYRING}] {uri} {release} main contrib non-free\n")
    for part in ("lists/partial", "cache/archives/partial"):
        (work / part).mkdir(parents=True)
    apt = ["apt-get", "-qq", "-o", "Dir::Etc::SourceParts=/dev/null", "-o", "APT::Sandbox::User=root"]
    for option, path in {
        "Etc::SourceList": "sources.list",
        "State::Lists": "lists",
        "Cache": "cache",
    }.items():
        apt += ["-o", f"Dir::{option}={work / path}"]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", DRIVER_PACKAGE], check=True, cwd=work)
    (package,) = work.glob("*.deb")
    subprocess.run(["dpkg-deb", "--extract", package, work / "driver"], check=True)
    return next((work / "driver").rglob(LIBRARY)).resolve()


def build_pycuda(work: Path, lib: Path) -> Path:
    """Builds pycuda's wheel in `work`, linked to the libcuda.so in `lib`."""
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    download = [*pip, "download", "--no-deps", "--dest", str(work)]
    subprocess.run([*download, *HEADERS], check=True)
    subprocess.run([*download, "--no-binary", "pycuda", PYCUDA], check=True)
    include = work / "include"
    for wheel in work.glob("nvidia_*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(work / wheel.stem)
        (headers,) = (work / wheel.stem).glob("nvidia/*/include")
        shutil.copytree(headers, include, dirs_exist_ok=True)
    (source,) = work.glob("pycuda-*.tar.gz")
    shutil.unpack_archive(source, work / "source", filter="data")
    (tree,) = (work / "source").iterdir()
    (tree / "siteconf.py").write_text(SITE_CONFIGURATION.format(include=str(include), lib=str(lib)))
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", str(work / "built"), str(tree)], check=True)
    return next((work / "built").glob("*.whl"))


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder
    make(folder)
    print(f"{folder}: {PYCUDA} and {LIBRARY}")


if __name__ == "__main__":
    main()

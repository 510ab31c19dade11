"""`mtclar-stream support`: show, merge, prune, re-embed, export, encrypt and decrypt support sets."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.cli.options import default_support_path, expanded
from mtclar.cli.passphrase import PassphraseFileOption

if TYPE_CHECKING:
    from mtclar.engine.support_set import SupportSet

OVERWRITE = "choose another name, or --force to overwrite it"

FileArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="[FILE]",
        help="A support set; by default the one that `calibrate` wrote.",
        callback=expanded,
        show_default=False,
    ),
]
OutOption = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="Where to write.", callback=expanded)
]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Overwrite the file named with --out, be it the one that was read.")
]


def command() -> None:
    """Show, merge, prune, re-embed, export and encrypt support sets."""


def show(
    file: FileArgument = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the report as a page: affect plane, errors, light, advice.",
            callback=expanded,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the page.")] = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Say what a support set holds, how well its labels agree, and what to add."""
    from mtclar.calibrate.core.report import make_report
    from mtclar.cli.outputs import Output, always, never, require_safe
    from mtclar.cli.reports.calibration import print_report
    from mtclar.cli.terminal import Terminal, print_text
    from mtclar.engine.files import write_whole

    console = Terminal()
    path = _path(file)
    if html is not None:
        page_file = Output("--html", html, always if force else never, OVERWRITE)
        require_safe([page_file], {"FILE": [path]})
    support = _load(path, passphrase_file)
    report = make_report(support)
    remark = _unusable(support)
    for line in _about(path, support):
        print_text(console, line)
    if remark:
        print_text(console, remark, "yellow")
    print_report(console, report)
    if html is not None:
        from mtclar.cli.reports.calibration_html import html as page

        content = page(support, report, remark).encode()
        write_whole(html, lambda out: out.write(content), private=True)
        print_text(console, f"Written: {html}")


def merge(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE FILE...", help="Two support sets or more of one person.")
    ],
    out: OutOption,
    subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="Who it is, when the files do not agree.")
    ] = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Make one support set of several of the same person: of two days, or of two lights."""
    from mtclar.calibrate.core import editing

    paths = [path.expanduser() for path in files]
    _require(out, force)
    sets = [(path.name, _load(path, passphrase_file)) for path in paths]
    merged = editing.merge(sets, subject)
    _save(merged, out, paths, passphrase_file)
    if merged.crops is None and any(support.crops is not None for _, support in sets):
        _say("The face pictures are left out: not every one of these sets has them.")


def prune(
    out: OutOption,
    file: FileArgument = None,
    keep: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the N frames that say most of the others.")
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(
            min=0, max=2, metavar="E", help="Drop frames whose label the others miss by more than E."
        ),
    ] = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Keep fewer frames: the most useful ones, or those whose labels agree with the others."""
    from mtclar.calibrate.core import editing
    from mtclar.engine.errors import UsageError

    path = _path(file)
    if keep is None and max_error is None:
        raise UsageError("which frames should go?", "say --keep N, --max-error E, or both")
    _require(out, force)
    support = pruned = _load(path, passphrase_file)
    if max_error is not None:
        pruned = editing.drop_large_errors(pruned, max_error)
    if keep is not None and keep < len(pruned):
        pruned = editing.keep_most_useful(pruned, keep)
    _save(pruned, out, [path], passphrase_file)
    _say(f"{len(support) - len(pruned)} of {len(support)} frames left out.")


def reembed(
    out: OutOption,
    file: FileArgument = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Take a support set over to this version's encoder; needs the face pictures (`calibrate --keep-crops`)."""
    from mtclar.calibrate.core import editing
    from mtclar.engine import models
    from mtclar.engine.backends.session import open_session
    from mtclar.engine.estimate.encoder import Encoder

    path = _path(file)
    _require(out, force)
    support = _load(path, passphrase_file)
    identity = models.card("encoder").identity
    with open_session(models.path("encoder")) as session:
        taken_over = editing.reembed(support, Encoder(session), identity)
    _save(taken_over, out, [path], passphrase_file)
    same = support.encoder.sha256 == identity.sha256
    _say(
        "It was made with this encoder already."
        if same
        else f"Encoder: {support.encoder.sha256[:12]} -> {identity.sha256[:12]}"
    )


def export(
    out: OutOption,
    file: FileArgument = None,
    crops: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Write the face pictures there as PNG, if they were kept.",
            callback=expanded,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file named with --out.")] = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Write the labels and what is known of each frame as .csv (which `calibrate --labels` reads) or .json."""
    from mtclar.calibrate.core import editing
    from mtclar.cli.terminal import counted
    from mtclar.engine.errors import UsageError
    from mtclar.engine.files import write_whole

    path = _path(file)
    form = editing.FORMATS.get(out.suffix.lower())
    if form is None:
        raise UsageError(
            f"--out {out} ends neither in .csv nor in .json", "the ending says which it should be"
        )
    _require(out, force)
    support = _load(path, passphrase_file)
    content = editing.export(support, form).encode()
    pictures = [] if crops is None else editing.write_crops(support, crops)
    write_whole(out, lambda target: target.write(content), private=True)
    _say(f"Written: {out} ({counted(len(support), 'frame')})")
    if pictures:
        _say(f"Written: {counted(len(pictures), 'picture')} in {crops}: biometric data, look after them")


def encrypt(
    out: OutOption,
    file: FileArgument = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Encrypt a support set with a passphrase; `run` and `calibrate` then ask for it."""
    from mtclar.cli.outputs import seal_previous
    from mtclar.cli.passphrase import new_passphrase
    from mtclar.engine.errors import UsageError
    from mtclar.engine.support_set import is_encrypted

    path = _path(file)
    _require(out, force)
    if is_encrypted(path):
        raise UsageError(
            f"{path} is encrypted already", "`support decrypt` it first to change the passphrase"
        )
    passphrase = new_passphrase(out, passphrase_file)
    _load(path, None).save(out, passphrase)
    _say(f"Written: {out}, encrypted. Without the passphrase nobody can read it, you included.")
    if (previous := seal_previous(out, passphrase)) is not None:
        _say(f"The calibration before it is encrypted with the same one: {previous}")
    if not path.samefile(out):
        _say(f"{path} is still there, not encrypted: remove it if it should not be.")


def decrypt(
    out: OutOption,
    file: FileArgument = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Write an encrypted support set without its encryption."""
    from mtclar.engine.errors import UsageError
    from mtclar.engine.support_set import is_encrypted

    path = _path(file)
    _require(out, force)
    if path.exists() and not is_encrypted(path):
        raise UsageError(f"{path} is not encrypted", "nothing to do")
    _load(path, passphrase_file).save(out)
    _say(f"Written: {out}, not encrypted")


SUBCOMMANDS = {
    command.__name__: command for command in (show, merge, prune, reembed, export, encrypt, decrypt)
}


def _path(file: Path | None) -> Path:
    return default_support_path() if file is None else file


def _load(path: Path, passphrase_file: Path | None) -> "SupportSet":
    from mtclar.cli.passphrase import passphrase_of
    from mtclar.engine.support_set import SupportSet

    return SupportSet.load(path, passphrase_of(path, passphrase_file))


def _require(out: Path, force: bool) -> None:
    """Refuses to write over anything, unless --force says so: then even over what was read, which is read before."""
    from mtclar.cli.outputs import Output, always, never, require_safe

    require_safe([Output("--out", out, always if force else never, OVERWRITE)], {})


def _save(support: "SupportSet", out: Path, read: Sequence[Path], passphrase_file: Path | None) -> None:
    """Encrypted when one of those it was made of is."""
    from mtclar.cli.passphrase import new_passphrase
    from mtclar.cli.terminal import counted
    from mtclar.engine.support_set import is_encrypted

    secret = new_passphrase(out, passphrase_file) if any(map(is_encrypted, read)) else None
    support.save(out, secret)
    how = "" if secret is None else ", encrypted"
    _say(f"Written: {out} ({counted(len(support), 'frame')} of '{support.subject}'){how}")


def _about(path: Path, support: "SupportSet") -> list[str]:
    from mtclar.cli.terminal import counted, printable
    from mtclar.engine.support_set import is_encrypted

    kept = "kept" if support.crops is not None else "not kept"
    return [
        f"File       {path}{' (encrypted)' if is_encrypted(path) else ''}",
        f"Subject    {printable(support.subject)}",
        f"Recorded   {support.created}" + (f", from {printable(support.source)}" if support.source else ""),
        f"Encoder    {support.encoder.name} {support.encoder.sha256[:12]}",
        f"Frames     {counted(len(support), 'frame')}; face pictures {kept}",
        f"Covered    {_coverage(support)}",
        *([f"Notes      {printable(support.notes)}"] if support.notes else []),
    ]


def _coverage(support: "SupportSet") -> str:
    """How many different labels lie in each region of the affect plane."""
    from collections import Counter

    from mtclar.calibrate.core.report import QUADRANTS, quadrant_of

    labels = {(float(v), float(a)) for v, a in support.labels}
    counts = Counter(quadrant_of(*label) for label in labels)
    return "; ".join(f"{region} {counts[region]}" for _, region in QUADRANTS)


def _unusable(support: "SupportSet") -> str:
    """Why `run` would refuse this set, in words; empty when it would not."""
    from mtclar.engine import models
    from mtclar.engine.errors import SupportSetError

    try:
        support.require_encoder(models.card("encoder").identity)
    except SupportSetError as error:
        return f"{error.what}; {error.hint}"
    return ""


def _say(text: str) -> None:
    from mtclar.cli.terminal import Terminal, print_text

    print_text(Terminal(), text)

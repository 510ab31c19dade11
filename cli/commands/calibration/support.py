"""`mtclar-stream support`: show, merge, prune, re-embed, export, encrypt, restore and delete support sets."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mtclar.calibrate.core.sets import predecessors
from mtclar.cli.display.terminal import Terminal, counted, print_text
from mtclar.cli.files.outputs import OVERWRITE, Output, always, never, require_safe
from mtclar.cli.files.passphrase import PassphraseFileOption, new_passphrase, passphrase_of
from mtclar.cli.files.support_files import (
    FileArgument,
    ForceOption,
    OutOption,
    load,
    path_or_default,
    print_plain,
    require_target,
    rewrite,
)
from mtclar.cli.options import default_support_path, expanded
from mtclar.engine.errors import SupportSetError, UsageError
from mtclar.engine.files.reading import expand_home

if TYPE_CHECKING:
    from mtclar.engine.support_set import SupportSet


def command() -> None:
    """Show, compare, merge, prune, re-embed, export, encrypt, restore and delete support sets."""


def show(
    file: FileArgument = None,
    html: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the report as an HTML page: affect plane, errors, light, advice.",
            callback=expanded,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file named with --html.")] = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Show what a support set contains, how well its labels agree, and what to add.

    \b
    Examples:
      mtclar-stream support show
      mtclar-stream support show anna.mtclar
      mtclar-stream support show anna.mtclar --html anna.html
    """
    from mtclar.calibrate.core.evaluation.report import make_report
    from mtclar.cli.reports.calibration import print_report
    from mtclar.engine.files.writing import write_whole

    console = Terminal()
    path = path_or_default(file)
    if html is not None:
        page_file = Output("--html", html, always if force else never, OVERWRITE)
        require_safe([page_file], {"FILE": [path]})
    support = load(path, passphrase_file)
    report = make_report(support)
    warning = _unusable(support)
    for line in (*_about(path, support), *_previous(path)):
        print_text(console, line)
    if warning:
        print_text(console, warning, "yellow")
    print_report(console, report)
    if report.warning:
        print_text(console, f"Warning: {report.warning}.", "yellow")
    if html is not None:
        from mtclar.cli.reports.calibration_html import html as page

        content = page(support, report, warning).encode()
        write_whole(html, content)
        print_text(console, f"Written: {html}")


def merge(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE FILE...", help="Two or more support sets of one person.")
    ],
    out: OutOption,
    subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="The person's name, when the files do not agree.")
    ] = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Merge support sets of one person, for example from two days or in two lights."""
    from mtclar.calibrate.core.sets import editing

    paths = [expand_home(path) for path in files]

    def change(*sets: "SupportSet") -> "SupportSet":
        return editing.merge(
            [(path.name, support) for path, support in zip(paths, sets, strict=True)], subject
        )

    sets, merged = rewrite(paths, out, force, passphrase_file, change)
    if merged.crops is None and any(support.crops is not None for support in sets):
        print_plain("Face crops are left out, since not every set has them.")
    names = Counter(name for support in sets for name in {support.source_of(i) for i in range(len(support))})
    for name in sorted(name for name, times in names.items() if name and times > 1):
        print_text(
            Terminal(),
            f"Several sets are from {name}. If these are different videos, an export cannot tell them apart: rename "
            "them and calibrate again.",
            "yellow",
        )


def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A support set.", callback=expanded)],
    b: Annotated[
        Path, typer.Argument(metavar="B", help="Another one of the same person.", callback=expanded)
    ],
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Compare two support sets of one person: coverage, and the errors of both over the labels of both.

    A set predicts its own labels leave-one-out, and those of the other set as it would predict new faces.

    \b
    Example:
      mtclar-stream support compare anna.mtclar anna.previous-20260102T030405Z.mtclar
    """
    from mtclar.calibrate.core.evaluation.comparison import compare as compare_sets
    from mtclar.cli.reports.set_comparison import print_comparison

    one, other = (load(path, passphrase_file) for path in (a, b))
    if one.subject != other.subject:
        print_plain(f"Note: the sets are of '{one.subject}' and '{other.subject}'.")
    print_comparison(Terminal(), compare_sets(one, other), (a, b))


def prune(
    out: OutOption,
    file: FileArgument = None,
    keep: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Keep the N most useful frames.")
    ] = None,
    max_error: Annotated[
        float | None,
        typer.Option(min=0, max=2, metavar="E", help="Drop frames with a leave-one-out error above E."),
    ] = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Keep fewer frames: the most useful ones, or those whose labels agree with the others."""
    from mtclar.calibrate.core.sets import editing

    if keep is None and max_error is None:
        raise UsageError("no frames to drop", "add --keep N, --max-error E, or both")

    def change(support: "SupportSet") -> "SupportSet":
        if max_error is not None:
            support = editing.drop_large_errors(support, max_error)
        return support if keep is None or keep >= len(support) else editing.keep_most_useful(support, keep)

    (support,), pruned = rewrite([path_or_default(file)], out, force, passphrase_file, change)
    print_plain(f"{len(support) - len(pruned)} of {len(support)} frames dropped.")


def reembed(
    out: OutOption,
    file: FileArgument = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Encode the face crops again with the encoder of this version; needs `calibrate --keep-crops`."""
    from mtclar.calibrate.core.sets import editing
    from mtclar.engine import models
    from mtclar.engine.backends.session import open_session
    from mtclar.engine.estimate.encoder import Encoder

    identity = models.card("encoder").identity

    def change(support: "SupportSet") -> "SupportSet":
        with open_session(models.path("encoder")) as session:
            return editing.reembed(support, Encoder(session), identity)

    (support,), _ = rewrite([path_or_default(file)], out, force, passphrase_file, change)
    same = support.encoder.sha256 == identity.sha256
    print_plain(
        "The support set was already made with this encoder."
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
            help="Also write the face crops there, as PNG files.",
            callback=expanded,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file named with --out.")] = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Export labels as .csv (for `calibrate --labels`), or labels, errors and conditions as .json."""
    from mtclar.calibrate.core.sets import editing
    from mtclar.engine.files.writing import write_whole

    path = path_or_default(file)
    form = editing.FORMATS.get(out.suffix.lower())
    if form is None:
        raise UsageError(f"--out {out} ends neither in .csv nor in .json", "the ending chooses the format")
    require_target(out, force)
    support = load(path, passphrase_file)
    content = editing.export(support, form).encode()
    pictures = [] if crops is None else editing.write_crops(support, crops)
    write_whole(out, content)
    print_plain(f"Written: {out} ({counted(len(support), 'frame')})")
    if pictures:
        print_plain(f"Written: {counted(len(pictures), 'picture')} in {crops}; this is biometric data")


def encrypt(
    out: OutOption,
    file: FileArgument = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Encrypt a support set with a passphrase, which `run` and `calibrate` then need."""
    from mtclar.engine.support_set import is_encrypted

    path = path_or_default(file)
    require_target(out, force)
    if is_encrypted(path):
        raise UsageError(
            f"{path} is already encrypted", "to change the passphrase, run `support decrypt` first"
        )
    passphrase = new_passphrase(out, passphrase_file)
    load(path, None).save(out, passphrase)
    print_plain(f"Written: {out}, encrypted. Nobody can read it without the passphrase, not even you.")
    for predecessor in predecessors.seal_predecessors(out, passphrase):
        print_plain(f"A previous calibration is now encrypted with the same passphrase: {predecessor}")
    if not path.samefile(out):
        print_plain(f"{path} still exists, unencrypted: remove it if nobody may read it.")


def decrypt(
    out: OutOption,
    file: FileArgument = None,
    force: ForceOption = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Decrypt a support set."""
    from mtclar.engine.support_set import is_encrypted

    path = path_or_default(file)
    require_target(out, force)
    if path.exists() and not is_encrypted(path):
        raise UsageError(f"{path} is not encrypted", "name an encrypted support set")
    load(path, passphrase_file).save(out)
    print_plain(f"Written: {out}, not encrypted")


def forget(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="A person's name, or that of a support set without its ending."),
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the files.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Delete without asking.")] = False,
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Delete everything about a person in the data folder, and list it.

    These are support sets, their predecessors and encrypted copies, unfinished calibrations, labels, face pictures, and
    what a killed process left. Files elsewhere stay: name them yourself.
    """
    import sys

    from mtclar.calibrate.core.sets.traces import find_traces
    from mtclar.cli.files.passphrase import is_given
    from mtclar.engine.files.writing import delete_together

    folder = default_support_path().parent
    asked = passphrase_of(folder, passphrase_file) if is_given(passphrase_file) else None
    traces = find_traces(folder, name, asked)
    for path in traces.unknown:
        print_plain(f"Not opened: {path} is encrypted; with --passphrase-file it can be told whose it is.")
    if not traces.found:
        known = ", ".join(traces.people) or "nobody"
        raise UsageError(
            f"{folder} holds nothing about '{name}'",
            f"it holds files of: {known}; delete files in other folders yourself",
        )
    for path in traces.found:
        print_plain(f"{path} -> {path.resolve()}, which stays" if path.is_symlink() else str(path))
    count = counted(len(traces.found), "file")
    if dry_run:
        print_plain(f"{count} would be deleted.")
        return
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(f"{count} to delete, and there is no terminal to ask on", "add --yes")
        typer.confirm(f"Delete {count}?", abort=True)
    delete_together(traces.found)
    print_plain(
        f"Deleted: {count} of '{name}'. A server that is running keeps what it has loaded until it ends."
    )


def restore(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A previous support set; `support show` lists them.", callback=expanded
        ),
    ],
    passphrase_file: PassphraseFileOption = None,
) -> None:
    """Restore a previous support set, such as anna.previous-20260102T030405Z.mtclar; the present one is kept.

    Before `calibrate` replaces a support set, it keeps a copy with the date: the newest five.
    """
    support = load(file, passphrase_file)
    path = predecessors.restore(file)
    print_plain(f"Restored: {path} ({counted(len(support), 'frame')} of '{support.subject}')")
    print_plain(f"The one before is kept: {predecessors.predecessors(path)[0]}")


SUBCOMMANDS = {
    command.__name__: command
    for command in (show, compare, merge, prune, reembed, export, encrypt, decrypt, restore, forget)
}


def _about(path: Path, support: "SupportSet") -> list[str]:
    from mtclar.engine.support_set import is_encrypted

    crops = "with" if support.crops is not None else "without"
    return [
        f"File       {path}{' (encrypted)' if is_encrypted(path) else ''}",
        f"Subject    {support.subject}",
        f"Recorded   {support.created}" + (f", from {support.source}" if support.source else ""),
        f"Encoder    {support.encoder.name} {support.encoder.sha256[:12]}",
        f"Frames     {counted(len(support), 'frame')}; {crops} face crops",
        f"Covered    {_coverage(support)}",
        *([f"Notes      {support.notes}"] if support.notes else []),
    ]


def _previous(path: Path) -> list[str]:
    """The predecessors of a support set, newest first."""
    kept = predecessors.predecessors(path)
    return [f"{'Previous' if i == 0 else '':<11}{file.name}" for i, file in enumerate(kept)]


def _coverage(support: "SupportSet") -> str:
    """The number of different labels in each quadrant of the affect plane."""
    from mtclar.calibrate.core.evaluation.report import QUADRANTS, quadrant_of

    labels = {(float(v), float(a)) for v, a in support.labels}
    counts = Counter(quadrant_of(*label) for label in labels)
    return "; ".join(f"{region} {counts[region]}" for _, region in QUADRANTS)


def _unusable(support: "SupportSet") -> str:
    """Why `run` would refuse this set; empty when it would not."""
    from mtclar.engine import models

    try:
        support.require_encoder(models.card("encoder").identity)
    except SupportSetError as error:
        return f"{error.what}; {error.hint}"
    return ""

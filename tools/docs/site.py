"""Hooks of MkDocs (mkdocs.yml): what the site has beyond the files of docs/.

- The navigation is the list of docs/README.md: a page that it leaves out stops the build.
- README, changelog and the other pages of the root, and every file that a page links to, become pages of their own.
- A comment `<!-- site: NAME -->` is replaced by a reference made from the code: `commands`, `messages`.
"""

import posixpath
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.docs import reference  # noqa: E402

DOCS = ROOT / "docs"
LINK = re.compile(r"(\]\()([^)#\s]+)((?:#[^)\s]*)?\))")
SECTION = re.compile(r"^\*\*(.+?)\*\*", re.MULTILINE)
CODE_IN_TABLE = re.compile(r"(?<=\|)[^\n]*`[^`\n]*\\\|[^`\n]*`")
"""GitHub wants `\\|` for a bar in the code of a table, Python-Markdown the bar alone."""
CODE_IN_LINE = re.compile(r"<code>[^<\n]*</code>")  # in HTML; the code of a block has a span for each line
OPTION = re.compile(r"(?<![\w-])(--?[\w-]+)")
MARKER = re.compile(r"<!-- site: (\w+) -->")
REFERENCES: dict[str, Callable[[], str]] = {
    "commands": reference.commands,
    "messages": reference.messages,
    "studio messages": partial(reference.messages, reference.STUDIO_SCHEMA),
}
LANGUAGES = {
    ".py": "python",
    ".js": "javascript",
    ".ts": "typescript",
    ".sh": "sh",
    ".html": "html",
    ".json": "json",
}
OWN_PAGES = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "README.md")


def page_of(target: str) -> str:
    """The site's page for a path of the repository outside docs/."""
    if target in OWN_PAGES:
        return f"project/{target.lower()}" if target != "README.md" else "project/about.md"
    return f"source/{target}.md"


def tracked_pages() -> list[str]:
    """Markdown files of docs/, as paths of the repository."""
    found = subprocess.run(
        ["git", "ls-files", "docs/*.md"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return found.stdout.split()


def has_page(target: str) -> bool:
    """Whether a path of the repository is a file of docs/, or a folder there with a page."""
    path = ROOT / target
    return target.startswith("docs/") and (path.is_file() or (path / "README.md").exists())


def outside(text: str, name: str) -> Iterator[str]:
    """Paths of the repository that a page `name` links to and that are no pages of docs/."""
    for _, link, _ in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        target = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
        if not has_page(target) and (ROOT / target).exists():
            yield target


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """The navigation, from the sections and links of docs/README.md."""
    index = (DOCS / "README.md").read_text()
    parts = SECTION.split(index)[1:]
    sections: list[dict[str, list[str]]] = []
    for title, text in zip(parts[::2], parts[1::2], strict=True):
        links = [link for _, link, _ in LINK.findall(text)]
        pages = [link for link in links if link.endswith(".md") and not link.startswith("../")]
        pages += [
            page_of(link.removeprefix("../")) for link in links if link.removeprefix("../") in OWN_PAGES
        ]
        sections.append({title: pages})
    config.nav = ["README.md", *sections]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages for what lies outside docs/."""
    targets = set(OWN_PAGES)
    for name in [*tracked_pages(), *OWN_PAGES]:
        targets |= set(outside((ROOT / name).read_text(), name))
    for target in sorted(targets):
        path = ROOT / target
        if path.is_dir():
            names = subprocess.run(
                ["git", "ls-files", target], cwd=ROOT, check=True, capture_output=True, text=True
            ).stdout.split()
            text = f"# {target}/\n\n" + "".join(f"- `{name}`\n" for name in names)
        elif path.suffix == ".md":
            text = path.read_text()
        else:
            text = f"# {target}\n\n````{LANGUAGES.get(path.suffix, 'text')}\n{path.read_text()}````\n"
        files.append(File.generated(config, page_of(target), content=text))
    return files


def on_page_markdown(markdown: str, page: Page, files: Files, **_: object) -> str:
    """Links of a page as the site has them, and the references that are made from the code."""
    here = page.file.src_uri
    origin = next((t for t in _origins(files) if page_of(t) == here), f"docs/{here}")

    def moved(link: "re.Match[str]") -> str:
        opening, path, closing = link.groups()
        if re.match(r"[a-z]+:", path):
            return link[0]
        target = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
        if has_page(target):
            new = target.removeprefix("docs/")
            new += "/README.md" if (ROOT / target).is_dir() else ""
        else:
            new = page_of(target)
        if files.get_file_from_path(new) is None:
            raise PluginError(f"{origin}: the site has no page for {path}")
        return opening + posixpath.relpath(new, posixpath.dirname(here) or ".") + closing

    whole = MARKER.sub(lambda found: REFERENCES[found[1]](), LINK.sub(moved, markdown))
    return CODE_IN_TABLE.sub(lambda code: code[0].replace("\\|", "|"), whole)


def on_page_content(html: str, **_: object) -> str:
    """Options within a line stay whole: browsers break a line after the hyphens of `--option`."""
    return CODE_IN_LINE.sub(
        lambda code: OPTION.sub(r'<span style="white-space: nowrap">\1</span>', code[0]), html
    )


def _origins(files: Files) -> Iterator[str]:
    for file in files:
        if file.src_uri.startswith("source/"):
            yield file.src_uri.removeprefix("source/").removesuffix(".md")
    yield from OWN_PAGES

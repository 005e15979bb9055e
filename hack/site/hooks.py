"""Brings files from outside ``docs/`` into the site, and lets links to them lead there.

MkDocs sees one folder. The repository's pages link to examples and to CONTRIBUTING.md, as they must for people who read
them beside the code; on the site those files get the places that ``PAGES`` and ``FOLDERS`` say.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]

PAGES: Final = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "hack/README.md": "scripts.md",
}
"""Place in the repository to place on the site."""

FOLDERS: Final = ("examples",)
"""Folders whose YAML files are on the site as they are."""

_LINK: Final = re.compile(r"(\]\()([^)#\s]+)(#[^)\s]*)?(\))")


def site_place(target: str) -> str | None:
    """Where the file of a repository is on the site; None if it is not there."""
    if target in PAGES:
        return PAGES[target]
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    return target if target.split("/", maxsplit=1)[0] in FOLDERS and (ROOT / target).is_file() else None


def repository_place(site_path: str) -> str:
    """Where a page of the site is in the repository."""
    return next((place for place, page in PAGES.items() if page == site_path), f"docs/{site_path}")


def on_files(files: Any, config: Any) -> Any:
    """Add the files from outside ``docs/``."""
    from mkdocs.structure.files import File  # not there where tests import this file

    for place, page in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / place)))
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.yaml")):
            files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Links between files of the repository become links between pages of the site."""
    return relinked(markdown, page.file.src_uri)


def relinked(markdown: str, site_path: str) -> str:
    """The text with every relative link that leads into or out of ``docs/`` as it must be on the site.

    >>> relinked("[a](../examples/01-qwen3-vl-on-rtx-5090.yaml) [b](https://x.org)", "workloads.md")
    '[a](examples/01-qwen3-vl-on-rtx-5090.yaml) [b](https://x.org)'
    >>> relinked("[c](docs/concepts.md#top)", "contributing.md")
    '[c](concepts.md#top)'
    """
    source = repository_place(site_path)

    def replaced(match: re.Match[str]) -> str:
        address = match[2]
        if ":" in address or address.startswith("/"):
            return match[0]
        place = site_place(posixpath.normpath(posixpath.join(posixpath.dirname(source), address)))
        if place is None:
            return match[0]
        return f"{match[1]}{posixpath.relpath(place, posixpath.dirname(site_path) or '.')}{match[3] or ''}{match[4]}"

    return _LINK.sub(replaced, markdown)

"""
Builds the site of the documentation, ``make docs``, and checks every link in it.

A warning of Sphinx is an error. A link inside the site must lead to a page that was built, and to an anchor on it. For
a link to another site only the form is checked, so that the build does not need a network.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parents[1]
SITE = ROOT / "build" / "site"


def build(site: Path = SITE) -> None:
    """
    Build the site.

    :raises subprocess.CalledProcessError: Sphinx found a problem, and has printed it.
    """
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-c", "docs", ".", str(site)]
    subprocess.run(command, cwd=ROOT, check=True)


class Page(HTMLParser):
    """What a page links to, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the attributes that are links or anchors."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.append(value)
            if name == "id" and value:
                self.anchors.add(value)


def broken_links(site: Path = SITE) -> Iterator[str]:
    """Yield each link that leads nowhere, as ``page: link``."""
    pages = {path.resolve(): Page(path) for path in site.rglob("*.html")}
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if parts.scheme not in ("https", "data") or (parts.scheme == "https" and "." not in parts.netloc):
                    yield f"{path.relative_to(site.resolve())}: {link}"
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchors = pages[target].anchors if target in pages else set()
            if not target.exists() or (parts.fragment and parts.fragment not in anchors):
                yield f"{path.relative_to(site.resolve())}: {link}"


def main() -> int:
    """Build the site, check its links, and say where it is."""
    try:
        build()
    except subprocess.CalledProcessError as error:
        return error.returncode
    broken = [*broken_links()]
    for one in broken:
        print(f"Leads nowhere: {one}", file=sys.stderr)
    print(f"The site is in {SITE.relative_to(ROOT)}: open docs/index.html there.")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

"""What a reader sees of the documentation's site: every page loads, is readable on a phone, and is found by search."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from browser.conftest import open_browser
from playwright.sync_api import Page, Response, Route, expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

PHONE = {"width": 390, "height": 844}
# What reaches over the edge of the screen, unless a part of the page scrolls by itself, as wide code and tables do. The
# width of the page does not show it: the theme cuts off what is too wide.
CUT_OFF = """
[...document.querySelectorAll("article *")].filter(element => {
    if (element.getBoundingClientRect().right <= innerWidth + 1) return false;
    for (let around = element.parentElement; around.tagName !== "ARTICLE"; around = around.parentElement)
        if (["auto", "scroll"].includes(getComputedStyle(around).overflowX)) return false;
    return true;
}).map(element => element.outerHTML.slice(0, 80))
"""
# Headings that are larger than the ones of the level above, by their sizes.
MISPROPORTIONED = """
["h1", "h2", "h3"].map(level => document.querySelector(`article ${level}`)).filter(heading => heading)
    .map(heading => parseFloat(getComputedStyle(heading).fontSize))
    .filter((size, level, sizes) => level > 0 && size >= sizes[level - 1])
"""


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and logs nothing."""

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@pytest.fixture
def reader(built_site: Path, tmp_path: Path) -> Iterator[Page]:
    """A phone that shows the site, and reaches nothing else."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(built_site)))
    Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}"

    def stay_here(route: Route) -> None:
        if route.request.url.startswith(url):
            route.continue_()
        else:
            route.abort()

    with open_browser(tmp_path / "profile", base_url=url, viewport=PHONE) as page:
        page.route("**/*", stay_here)
        yield page
    server.shutdown()
    server.server_close()


def test_every_page_loads_whole_and_fits_a_phone(reader: Page, built_site: Path) -> None:
    """No page or part of one is missing, nothing is cut off on a phone, and a heading is larger than those below it."""
    answers: list[Response] = []
    reader.on("response", lambda answer: answers.append(answer))
    too_wide, misproportioned = [], []
    pages = [path.relative_to(built_site) for path in sorted(built_site.glob("*/**/*.html"))]

    for page in pages:
        reader.goto(f"/{page}")
        too_wide += [f"{page}: {part}" for part in reader.evaluate(CUT_OFF)]
        misproportioned += [f"{page}: {size} px" for size in reader.evaluate(MISPROPORTIONED)]

    assert len(pages) > 30
    assert [] == [f"{answer.status} {answer.url}" for answer in answers if answer.status >= 400]
    assert [] == too_wide
    assert [] == misproportioned


def test_an_error_is_found_by_search(reader: Page) -> None:
    """A reader types the name of an error, and gets to the section about it."""
    reader.goto("/")

    reader.goto("/search.html?q=RateLimitedError")
    reader.locator("#search-results").get_by_role("link", name="RateLimitedError").click()

    expect(reader.get_by_role("heading", name="RateLimitedError")).to_be_visible()

"""The Airflow of ``make ui``, and Chromium to look at it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from browser.demonstration import ROOT, Demonstration, started
from playwright.sync_api import Page, expect, sync_playwright

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
# How long a page may take on two cores that run a complete Airflow beside the browser: only a hang takes longer.
SEEN_WITHIN_MS = 240_000


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demonstration]:
    """An Airflow with the examples; a run ends when the test says so."""
    with started(tmp_path_factory.mktemp("ui") / "airflow", run_s=3600) as demonstration:
        yield demonstration


@contextmanager
def open_browser(profile: Path, **options: Any) -> Iterator[Page]:
    """Open a page of a browser with an empty profile. Without a browser the test fails, since nothing was tested."""
    if CHROMIUM is None:
        pytest.fail("This machine has no chromium. As root: apt-get install --no-install-recommends chromium")
    expect.set_options(timeout=SEEN_WITHIN_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=FLAGS, **options
        )
        browser.set_default_timeout(SEEN_WITHIN_MS)
        yield browser.pages[0]
        browser.close()


@pytest.fixture
def page(demonstration: Demonstration, tmp_path: Path) -> Iterator[Page]:
    """Airflow's UI."""
    size = {"width": 1280, "height": 800}
    with open_browser(tmp_path / "profile", base_url=demonstration.url, viewport=size) as page:
        yield page


@pytest.fixture
def show(page: Page, tmp_path: Path) -> Callable[[str], None]:
    """Take a screenshot: for the documentation if SCREENSHOTS is set, else to look at after a failure."""
    folder = ROOT / "docs" / "images" if os.environ.get("SCREENSHOTS") else tmp_path

    def take(name: str) -> None:
        page.screenshot(path=folder / f"{name}.png", animations="disabled")

    return take

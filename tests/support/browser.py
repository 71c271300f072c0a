"""
A real browser, headless: Chromium as the machine has it.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright

_ARGUMENTS = [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
_NO_SANDBOX = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium refuses to sandbox root.
_SERIOUS = {"serious", "critical"}


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """
    Start Chromium; skips the test where there is none.
    """
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*_ARGUMENTS, *_NO_SANDBOX]
        )
        try:
            yield browser
        finally:
            browser.close()


def faults_of(page: Page) -> list[str]:
    """
    Return what axe-core finds on a page that keeps somebody from using it.
    """
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {node['html'][:160]} {node['any'][0]['message'] if node['any'] else ''}"
        for each in found
        if each["impact"] in _SERIOUS
        for node in each["nodes"]
    ]


def keep_shot(page: Page, name: str, folder: Path, *, is_whole: bool = False) -> None:
    """
    Keep a screenshot as a small WebP.
    """
    import io

    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    with Image.open(io.BytesIO(page.screenshot(full_page=is_whole))) as shot:
        shot.convert("RGB").save(folder / f"{name}.webp", quality=72, method=6)

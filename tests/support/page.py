"""The page as a strict parser, a reader and a browser see it."""

import html
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

VOID = {"meta", "br", "link", "img", "hr", "input"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Strict(HTMLParser):
    """Collects ids and what would be loaded; refuses tags that don't close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.loads, self.targets, self.files = [], [], [], [], []

    def handle_starttag(self, tag, attrs):
        """Note ids and links, and that the tag is open."""
        given = dict(attrs)
        if "id" in given:
            self.ids.append(given["id"])
        for name in ("src", "srcset", "data", "poster", "action"):
            if name in given:
                self.loads.append(given[name])
        for name in ("href", "xlink:href"):
            if name in given:
                leads = self.files if tag == "a" else self.loads
                (self.targets if given[name].startswith("#") else leads).append(given[name])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note ids and links; the tag closes itself."""
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        """Close the tag that was opened last."""
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag


def shown(text: str) -> str:
    """The page's text without tags."""
    body = re.sub(r"<(style|svg)\b.*?</\1>", " ", text, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body)))


def browse(page: str, directory: Path) -> str:
    """Load a page with its scripts in a real browser, and return what it has become."""
    if BROWSER is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium found, and CI is set")
        pytest.skip("no Chromium found: install it to check the page in a browser")
    (directory / "page.html").write_text(page, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"]
    command += ["--disable-background-networking", "--disable-component-update"]
    command += [f"--user-data-dir={directory / 'profile'}", "--window-size=800,600"]
    command += ["--hide-scrollbars", "--virtual-time-budget=5000", "--dump-dom", (directory / "page.html").as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout

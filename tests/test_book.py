"""The built pages, read as files: all there, nothing asked of another host, a way to run each chapter."""

import json
import re
from html.parser import HTMLParser

import pytest

from project import BUILD, CLAIMS, ROOT, ledger, notebooks, pages, repository

HTML = BUILD / "html"
pytestmark = pytest.mark.skipif(not HTML.exists(), reason="the book has not been built: make book")


class Tags(HTMLParser):
    """The tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def page(name):
    return (HTML / f"{name}.html").read_text(encoding="utf-8")


def tags(name):
    return Tags(page(name)).found


@pytest.mark.parametrize("name", pages())
def test_a_page_asks_no_other_host(name):
    asked = [
        address
        for tag, attributes in tags(name)
        for key in ("src", "srcset", "poster", "data-src")
        if (address := attributes.get(key))
    ]
    linked = ("stylesheet", "preload", "icon", "shortcut icon", "preconnect", "dns-prefetch", "modulepreload")
    asked += [each["href"] for tag, each in tags(name) if tag == "link" and each.get("rel") in linked]
    assert len(asked) > 5
    assert [address for address in asked if re.match(r"(https?:)?//", address)] == []
    files = [address.split("?")[0] for address in asked if not address.startswith("data:")]
    missing = [file for file in files if not (HTML / name).parent.joinpath(file).exists()]
    assert missing == []


def test_the_style_sheets_ask_no_other_host():
    sheets = list(HTML.rglob("*.css"))
    assert (HTML / "_static" / "book.css") in sheets
    other_host = re.compile(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\"']+")
    asked = [match for sheet in sheets for match in other_host.findall(sheet.read_text())]
    assert asked == []


@pytest.mark.parametrize("name", pages())
def test_images_are_described_and_no_error_is_printed(name):
    images = [attributes for tag, attributes in tags(name) if tag == "img"]
    assert images and [image for image in images if not image.get("alt", "").strip()] == []
    assert "Traceback (most recent call last)" not in page(name)


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_chapter_can_be_launched(path):
    text = page(f"chapters/{path.stem}")
    name = repository().removeprefix("https://github.com/")
    assert f"https://colab.research.google.com/github/{name}/blob/main/chapters/{path.name}" in text
    assert f"https://mybinder.org/v2/gh/{name}/main?urlpath=lab/tree/chapters/{path.name}" in text


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_chapter_says_what_it_was_built_from(path):
    run = json.loads((ROOT / "results" / "quick" / f"{path.stem}.json").read_text())
    if path.stem == CLAIMS:
        return  # it reads the other chapters' results, and no data of its own
    text = page(f"chapters/{path.stem}")
    assert "Profile: quick. Data:" in text
    assert ("Stand-in data:" in text) == (run["numbers"]["source"] == "stand-in")


def test_the_claims_page_shows_each_claim_with_its_verdict():
    text = page(f"chapters/{CLAIMS}")
    shown = re.findall(r'<div class="lif-claim" data-verdict="([^"]*)">', text)
    quick, full = ledger.runs(ROOT, "quick"), ledger.runs(ROOT, "full")
    judged = [
        ledger.verdict(claim, quick.get(claim["chapter"]), full.get(claim["chapter"]))[0]
        for claim in ledger.load(ROOT)["claims"]
    ]
    assert shown == judged


def test_every_number_of_this_build_is_inside_its_band():
    for profile in ("quick", "full"):
        runs = ledger.runs(ROOT, profile)
        assert ledger.violations(ledger.load(ROOT), runs, profile) == []

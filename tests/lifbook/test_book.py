"""The built pages, read as files: all there, nothing asked of another host, a way to run each chapter."""

import functools
import json
import re
import struct
from html.parser import HTMLParser

import pytest
import yaml

from lifbook import ledger
from lifbook.build import sphinx_page
from lifbook.build.project import BUILD, CLAIMS, ROOT, notebooks, pages, repository
from lifbook.runs import Run

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


@functools.cache
def page(name):
    return (HTML / f"{name}.html").read_text(encoding="utf-8")


@functools.cache
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


class Prose(HTMLParser):
    """The text of a page's article: no code, no equations, nothing that a program has made as HTML."""

    beside = ("literal", "highlight", "math", "text_html", "headerlink")

    def __init__(self, text):
        super().__init__()
        self.blocks, self.open, self.skipped = [""], [], 0
        self.feed(text[text.index("<article") : text.index("</article>")])

    def handle_starttag(self, tag, attributes):
        if tag in ("img", "br", "hr", "input", "col", "meta", "link"):
            return
        skip = bool({*self.beside} & {*(dict(attributes).get("class") or "").split()}) or tag in (
            "script",
            "style",
        )
        self.open.append((tag, skip))
        self.skipped += skip
        if tag in ("p", "td", "th", "li", "dd", "dt", "h1", "h2", "h3"):
            self.blocks.append("")

    def handle_endtag(self, tag):
        while self.open:
            last, skip = self.open.pop()
            self.skipped -= skip
            if last == tag:
                return

    def handle_data(self, data):
        if not self.skipped:
            self.blocks[-1] += data


@functools.cache
def prose(name):
    return Prose(page(name)).blocks


@pytest.mark.parametrize("name", pages())
def test_a_table_is_a_table(name):
    """If this fails, a reader sees a wall of numbers and bars where a result should be."""
    assert [block for block in prose(name) if block.lstrip().startswith("|")] == []


@pytest.mark.parametrize("name", pages())
def test_no_header_of_a_table_is_empty(name):
    """If this fails, a screen reader announces a column or a row without a name."""
    assert not re.search(r"<th(?: [^>]*)?>\s*(<p></p>)?\s*</th>", page(name))


@pytest.mark.parametrize("name", pages())
def test_a_number_is_not_broken_over_lines(name):
    """If this fails, a line ends with "5e-" or "0.6", and the rest of the number or its unit begins the next one."""
    broken = re.compile(rf"\d ±|± \d|\d[eE]-\d|\d (?:{sphinx_page.UNITS})")
    found = [broken.search(block) for block in prose(name)]
    assert [match.string[max(0, match.start() - 30) :][:60] for match in found if match] == []


def test_a_page_introduces_itself():
    """If this fails, a link to a page shows nothing of it where it is shared, and a search engine guesses."""
    descriptions = []
    for name in pages():
        told = {
            each.get("name", each.get("property")): each.get("content")
            for tag, each in tags(name)
            if tag == "meta"
        }
        descriptions.append(told["description"])
        assert 40 < len(told["description"]) <= 202
        picture = HTML / told["og:image"].removeprefix(sphinx_page.site(repository()))
        assert picture.read_bytes()[16:24] == struct.pack(">II", 1200, 630), picture
    assert len({*descriptions}) == len(pages())


@pytest.mark.parametrize("name", pages())
def test_the_logo_stands_in_a_landmark(name):
    """If this fails, who moves from landmark to landmark by a screen reader passes over the way home."""
    found = [
        (tag, attributes.get("class", "")) for tag, attributes in tags(name) if tag in ("header", "a", "main")
    ]
    logo = next(n for n, (_, classes) in enumerate(found) if "navbar-brand" in (classes or ""))
    assert found[logo - 1] == ("header", "")


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_chapter_begins_with_its_text(path):
    """If this fails, a reader meets running times, imports and provenance before the first sentence."""
    text = page(f"chapters/{path.stem}")
    text = text[text.index("<article") : text.index("</article>")]
    first_section = text.index("<h2")
    assert not re.search(r"<details class=\"admonition hide|Profile: |takes: ", text[:first_section])
    if "Profile: quick" in text:
        assert text.index("Profile: quick") > text.index('id="how-this-page-was-made"')
    if "Stand-in data:" in text:
        assert text.index("Stand-in data:") < first_section


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_a_bar_over_folded_code_says_what_is_under_it(path):
    """If this fails, a page has a dozen bars of one name, and a screen reader reads that name a dozen times."""
    bars = re.findall(
        r'<summary[^>]*>\s*<p class="collapsed admonition-title">([^<]*)', page(f"chapters/{path.stem}")
    )
    assert [bar for bar in bars if not re.match("Show code: .", bar)] == []
    assert 'aria-label="Toggle hidden content"' not in page(f"chapters/{path.stem}")


def test_the_search_knows_no_folded_code():
    """If this fails, a search for a word of the text finds imports and drawing code."""
    index = (HTML / "searchindex.js").read_text(encoding="utf-8")
    # The second word draws arrows in folded cells, and no text speaks of it.
    known = {word: word in index for word in ("threshold", "fancyarrowpatch")}
    assert known == {"threshold": True, "fancyarrowpatch": False}


def test_the_book_says_how_to_cite_it():
    """If this fails, who wants to cite the book, or to use a figure, must look for files in the repository."""
    facts = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    text = " ".join(prose("intro"))
    assert facts["title"] in text and f"version {facts['version']}" in text
    assert "MIT licence" in text and "CC BY 4.0" in text


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
        ledger.verdict(claim, *(runs.get(claim["chapter"], Run()) for runs in (quick, full)))[0]
        for claim in ledger.load(ROOT)["claims"]
    ]
    assert shown == judged


def test_every_number_of_this_build_is_inside_its_band():
    for profile in ("quick", "full"):
        runs = ledger.runs(ROOT, profile)
        assert ledger.violations(ledger.load(ROOT), runs, profile) == []

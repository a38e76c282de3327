"""Each page in a real browser: light and dark, phone and desk, with the network cut off."""

import functools
import http.server
import threading

import pytest

from chrome import in_a_browser
from lifbook.build.project import BUILD, pages
from patience import HANG

HTML = BUILD / "html"
BRIGHTNESS = """
    getComputedStyle(document.body).backgroundColor.match(/[0-9]+/g).slice(0, 3).map(Number).reduce((a, b) => a + b)
"""

pytestmark = [
    in_a_browser,
    pytest.mark.skipif(not HTML.exists(), reason="the book has not been built: make book"),
]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def address():
    handler = functools.partial(Quiet, directory=HTML)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(params=["light", "dark"])
def theme(request):
    return request.param


@pytest.fixture(params=[360, 1280])
def width(request):
    return request.param


@pytest.mark.parametrize("name", pages())
def test_a_page_is_whole(name, theme, width, address, browser):
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)
    context.set_default_timeout(1000 * HANG)
    page = context.new_page()
    troubles = []
    page.on(
        "console",
        lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("requestfailed", lambda request: troubles.append(f"failed: {request.url}"))
    page.on(
        "request", lambda request: troubles.append(request.url) if _outside(request.url, address) else None
    )
    page.on("response", lambda response: troubles.append(response.url) if response.status >= 400 else None)
    page.goto(f"{address}/{name}.html", wait_until="networkidle")

    if page.locator(".math").count():
        page.wait_for_function("window.MathJax?.startup?.promise")
        page.evaluate("MathJax.startup.promise")
        assert page.locator(".math:not(:has(mjx-container))").count() == 0
        assert page.locator("mjx-merror").count() == 0
    assert page.evaluate("document.documentElement.dataset.theme") == theme
    assert (page.evaluate(BRIGHTNESS) < 200) == (theme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (
        page.evaluate("[...document.images].filter(image => image.complete && !image.naturalWidth).length")
        == 0
    )
    assert page.evaluate("[...document.images].filter(image => !image.alt.trim()).length") == 0
    context.close()
    assert troubles == []


@pytest.mark.parametrize("touch", [True, False], ids=["touch", "mouse"])
@pytest.mark.parametrize("size", [390, 800, 1000, 1300])
def test_the_list_of_chapters_and_the_contents_of_the_page_open(size, touch, address, browser):
    """If this fails, a reader on a phone or a tablet has no list of chapters and cannot jump within a page."""
    context = browser.new_context(viewport={"width": size, "height": 800}, has_touch=touch)
    page = context.new_page()
    page.set_default_timeout(1000 * HANG)
    page.goto(f"{address}/chapters/01-membrane.html")

    def press(name):
        button = page.locator(f".{name}-toggle")
        button.tap() if touch else button.click()

    dialog, side_bar = page.locator("#pst-primary-sidebar-modal"), page.locator("#pst-primary-sidebar")
    if size < 992:
        press("primary")
        dialog.get_by_text("A gradient for a spike").wait_for()
        page.keyboard.press("Escape")
        dialog.wait_for(state="hidden")
    else:  # beside the text there is room for a side bar, which the button puts away and brings back
        for state in ("hidden", "visible"):
            press("primary")
            side_bar.wait_for(state=state)

    if size < 1200:
        contents = page.locator("#pst-secondary-sidebar-modal")
        press("secondary")
        contents.get_by_text("Further reading").wait_for()
        contents.get_by_text("Further reading").click()
        contents.wait_for(state="hidden")  # or it would hide the place it leads to
        assert page.url.endswith("#further-reading")
    else:
        assert page.locator("#pst-secondary-sidebar").get_by_text("Further reading").is_visible()
    context.close()


def test_a_figure_can_be_enlarged_on_a_phone(address, browser):
    """If this fails, the letters in the figures cannot be read on a phone, or a figure widens the page."""
    context = browser.new_context(viewport={"width": 360, "height": 800}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(1000 * HANG)
    page.goto(f"{address}/chapters/02-gradient.html", wait_until="networkidle")
    sheet = page.locator(".lif-sheet").first
    box, image = sheet.get_by_label("enlarge"), sheet.locator("img")
    assert image.bounding_box()["width"] <= 360
    assert min(box.bounding_box()["width"], box.bounding_box()["height"]) >= 24
    for change in (image.tap, lambda: box.press("Space")):
        change()
        assert image.bounding_box()["width"] > 600
        assert sheet.locator("> span").first.evaluate("box => box.scrollWidth > box.clientWidth")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        assert box.bounding_box()["x"] < 360
        change()
        assert image.bounding_box()["width"] <= 360
    page.set_viewport_size({"width": 1280, "height": 800})
    assert not box.is_visible()
    context.close()


CUT_CODE = """[...document.querySelectorAll(".bd-article div.cell_input pre")]
    .filter((code) => code.checkVisibility() && code.scrollWidth > code.clientWidth)
    .map((code) => code.textContent.split("\\n").sort((one, other) => other.length - one.length)[0])"""
OUT_OF_REACH = """[...document.querySelectorAll(".bd-article :is(table, mjx-container[display])")]
    .filter((box) => box.scrollWidth > box.clientWidth + 1 && box.tabIndex < 0)
    .map((box) => `${box.scrollWidth} in ${box.clientWidth} pixels: ${box.textContent.slice(0, 80)}`)"""


@pytest.mark.parametrize("name", pages())
def test_code_fits_a_laptop_and_what_is_wider_scrolls_by_keyboard(name, address, browser):
    """If this fails, the end of a line of code or of an equation is out of sight, for some readers for good."""
    page = browser.new_page(viewport={"width": 390, "height": 800})
    page.set_default_timeout(1000 * HANG)
    for width in (390, 1300, 1366):
        page.set_viewport_size({"width": width, "height": 800})
        page.goto(f"{address}/{name}.html")
        page.wait_for_selector("html[data-fitted]")
        assert page.evaluate(OUT_OF_REACH) == []
        if width > 1000:
            assert page.evaluate(CUT_CODE) == [], "the longest lines of the cells that are cut"
    page.close()


def test_on_paper_code_is_whole_and_nothing_asks_to_be_pressed(address, browser):
    """If this fails, a printed chapter lacks the ends of its lines, or is full of bars that do nothing."""
    page = browser.new_page(viewport={"width": 700, "height": 1000})
    page.set_default_timeout(1000 * HANG)
    page.emulate_media(media="print")
    page.goto(f"{address}/chapters/01-membrane.html", wait_until="networkidle")
    visible = "[...document.querySelectorAll({!r})].filter((each) => each.checkVisibility()).length"
    assert page.evaluate(visible.format(".bd-article pre")) > 0
    assert page.evaluate(CUT_CODE) == []
    assert (
        page.evaluate(visible.format(".bd-article :is(details.hide > summary, input, button), #jb-print-toc"))
        == 0
    )
    page.close()


def test_the_search_shows_prose(address, browser):
    """If this fails, what a reader finds are lines of imports and buttons."""
    page = browser.new_page()
    page.set_default_timeout(1000 * HANG)
    page.goto(f"{address}/search.html?q=threshold", wait_until="networkidle")
    excerpts = page.locator("p.context").all_inner_texts()
    assert len(excerpts) > 5
    assert [text for text in excerpts if "plt." in text or "Show code" in text or "Contents" in text] == []
    page.close()


def test_a_page_works_from_the_file_itself(browser):
    page = browser.new_page()
    page.set_default_timeout(1000 * HANG)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto((HTML / "chapters" / "notation.html").as_uri())
    page.wait_for_selector("mjx-container")
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    page.close()


def _outside(url, address):
    return not url.startswith((address, "data:", "blob:"))

"""For every test: no remarks of frameworks in pytest's report, and one browser for those that look at pages."""

import pytest

from chrome import BROWSER, FLAGS
from lifbook.build import project  # noqa: F401  (tells TensorFlow, which is loaded later)
from patience import HANG


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    assert BROWSER, "CI must test in a browser, and there is no chromium"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS, timeout=1000 * HANG)
        yield started
        started.close()

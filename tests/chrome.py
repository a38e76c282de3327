"""Debian's chromium, and Node: where they are, and how the tests start the browser."""

import os
import shutil

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
NODE = shutil.which("node")
COLUMN = 704  # pixels that the text has in a page of 1366
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # Proves that nothing outside is asked for: no other name resolves.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

in_a_browser = pytest.mark.skipif(
    BROWSER is None and not os.environ.get("CI"), reason="no chromium here: this was not seen in one"
)
with_javascript = pytest.mark.skipif(
    NODE is None and BROWSER is None and not os.environ.get("CI"), reason="neither node nor chromium here"
)

"""Debian's chromium: where it is, and how the tests start it."""

import os
import shutil

import pytest

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
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

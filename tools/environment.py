"""Makes or refreshes `.venv` from the lock. Runs on the system's Python, so it uses the standard library only.

A stamp, written last, says what the environment holds: an interrupted set-up has none and is done again.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"


class Environment:
    """A virtual environment in a folder of the checkout."""

    def __init__(self, folder):
        self.folder = folder
        self.python = folder / "bin" / "python"
        self.stamp = folder / "lock.sha256"

    def refresh(self, content, install):
        """Make it anew by `install(environment)`, unless it was last made of the same `content`, a string."""
        version = "{}.{}".format(*sys.version_info[:2])
        if not (3, 11) <= sys.version_info[:2] <= (3, 13):
            sys.exit(f"This project needs Python 3.11, 3.12 or 3.13; {sys.executable} is {version}.")
        wanted = f"{hashlib.sha256(content.encode()).hexdigest()} python{version} {ROOT}\n"
        if self.stamp.exists() and self.stamp.read_text() == wanted:
            return
        started = time.monotonic()
        self.stamp.unlink(missing_ok=True)
        print(
            f"Set-up: installing the locked packages into {self.folder.name} "
            "(once per change of the lock, some minutes)",
            flush=True,
        )
        # --clear: packages that left the lock must not linger, nor those of another Python.
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(self.folder)], check=True)
        install(self)
        # The module is used from the checkout itself: one line in a path file does what an editable install would.
        site = subprocess.run(
            [self.python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            stdout=subprocess.PIPE,
        )
        (Path(os.fsdecode(site.stdout).strip()) / "lif-book.pth").write_text(str(ROOT) + "\n")
        self.stamp.write_text(wanted)
        print(f"Set-up done in {time.monotonic() - started:.0f} s", flush=True)

    def pip(self, *arguments):
        # --no-compile: of gigabytes only what is imported is ever compiled.
        pip = [
            self.python,
            "-m",
            "pip",
            "--disable-pip-version-check",
            "--no-input",
            "install",
            "--no-compile",
        ]
        subprocess.run([*pip, *arguments], check=True)


def main():
    try:
        Environment(ROOT / ".venv").refresh(
            LOCK.read_text(), lambda environment: environment.pip("--require-hashes", "--requirement", LOCK)
        )
    except subprocess.CalledProcessError as error:
        sys.exit("Set-up failed: " + " ".join(map(str, error.cmd)))


if __name__ == "__main__":
    main()

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
        # To the last digit of Python's version: the lock may have other packages for another.
        version = "{}.{}.{}".format(*sys.version_info)
        wanted = f"{hashlib.sha256(content.encode()).hexdigest()} python{version} {ascii(str(ROOT))}\n"
        # Where the Python that it was made with has been removed, it is of no use.
        if self.python.exists() and self.stamp.exists() and self.stamp.read_bytes() == wanted.encode():
            return
        if self.folder.is_symlink() or self.folder.exists() and not self.folder.is_dir():
            kind = f"a link to {os.readlink(self.folder)}" if self.folder.is_symlink() else "a file"
            sys.exit(
                f"Set-up empties {self.folder}, which should be a folder and is {kind}: remove it first."
            )
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
        # In ASCII: Python reads the file in the locale's encoding, and starts no more where that lacks a letter.
        line = f"import sys; sys.path.append({ascii(str(ROOT))})\n"
        (Path(os.fsdecode(site.stdout).strip()) / "lif-book.pth").write_text(line)
        self.stamp.write_text(wanted)
        print(f"Set-up done in {time.monotonic() - started:.0f} s", flush=True)

    def pip(self, *arguments):
        # -I and the variables: into this environment, whatever the user has set for others.
        # --no-compile: of gigabytes only what is imported is ever compiled.
        options = ["--disable-pip-version-check", "--no-input", "install", "--no-compile"]
        elsewhere = {"PIP_USER": "0", "PIP_TARGET": "", "PIP_PREFIX": "", "PIP_ROOT": ""}
        command = [self.python, "-I", "-m", "pip", *options, *arguments]
        subprocess.run(command, check=True, env=os.environ | elsewhere)


def main():
    try:
        Environment(ROOT / ".venv").refresh(
            LOCK.read_text(), lambda environment: environment.pip("--require-hashes", "--requirement", LOCK)
        )
    except subprocess.CalledProcessError as error:
        sys.exit("Set-up failed: " + " ".join(map(str, error.cmd)))


if __name__ == "__main__":
    main()

"""Makes or refreshes `.venv` from the lock. Runs on the system's Python, so it uses the standard library only.

A stamp, written last, says which lock the environment holds: an interrupted set-up has none and is done again.
"""

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "lock.sha256"
LOCK = ROOT / "requirements.txt"


def main():
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        version = "{}.{}".format(*sys.version_info[:2])
        sys.exit(f"This project needs Python 3.11, 3.12 or 3.13; {sys.executable} is {version}.")
    lock = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    wanted = f"{lock} python{sys.version_info[0]}.{sys.version_info[1]} {ROOT}\n"
    if STAMP.exists() and STAMP.read_text() == wanted:
        return
    started = time.monotonic()
    STAMP.unlink(missing_ok=True)
    print(
        "Set-up: installing the locked packages into .venv (once per change of the lock, some minutes)",
        flush=True,
    )
    try:
        make()
    except subprocess.CalledProcessError as error:
        sys.exit("Set-up failed: " + " ".join(map(str, error.cmd)))
    STAMP.write_text(wanted)
    print(f"Set-up done in {time.monotonic() - started:.0f} s", flush=True)


def make():
    # --clear: packages that left the lock must not linger, nor those of another Python.
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)], check=True)
    python = VENV / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    # --no-compile: of three gigabytes only what is imported is ever compiled.
    subprocess.run([*pip, "--no-compile", "--require-hashes", "--requirement", LOCK], check=True)
    # The module is used from the checkout itself: one line in a path file does what an editable install would.
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True,
        stdout=subprocess.PIPE,
    )
    (Path(os.fsdecode(site.stdout).strip()) / "lif-book.pth").write_text(str(ROOT) + "\n")


if __name__ == "__main__":
    main()

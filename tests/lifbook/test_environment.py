"""The set-up: what it takes for its own, what it leaves alone, and what it says where it cannot be done."""

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

import environment
from environment import Environment
from lifbook.build.project import ROOT


def nothing(_):
    """Installs nothing: what is tested here is the environment."""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """An environment in a checkout whose path is not of ASCII letters alone."""
    root = tmp_path_factory.mktemp("Zoë’s Bücher")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(environment, "ROOT", root)
        one = Environment(root / ".venv")
        one.refresh("the lock", nothing)
        yield one


def test_an_environment_is_made_once(made, capsys):
    """If this fails, every `make` installs two gigabytes, or an old environment serves a new lock."""
    installed = []
    made.refresh("the lock", installed.append)
    assert not installed and capsys.readouterr().out == ""
    made.refresh("another lock", installed.append)
    assert installed == [made] and made.python.exists()


@pytest.mark.parametrize(
    "locale", [{"LC_ALL": "C"}, {"LC_ALL": "C.UTF-8"}, {"LC_ALL": "C", "PYTHONUTF8": "0"}]
)
def test_the_module_is_found_in_any_locale(made, locale):
    """If this fails, nothing of the book's own Python starts where the locale lacks a letter of the path."""
    seen = [made.python, "-c", f"import sys; print({ascii(str(made.folder.parent))} in sys.path)"]
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("LC_", "LANG", "PYTHON"))
    }
    done = subprocess.run(seen, env=kept | locale, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr


def test_an_environment_whose_python_is_gone_is_made_again(made):
    """If this fails, `make` stops for ever at a Python that an upgrade has removed."""
    made.refresh("the lock", nothing)
    (made.folder / "bin" / "python").unlink()
    (made.folder / "bin" / "python").symlink_to(made.folder / "removed")
    made.refresh("the lock", nothing)
    assert subprocess.run([made.python, "-c", ""]).returncode == 0


def test_packages_go_into_the_environment_whatever_the_user_has_set(made, tmp_path, monkeypatch):
    """If this fails, who installs for himself elsewhere cannot set the book up, or gets its packages there."""
    with zipfile.ZipFile(tmp_path / "tiny_thing-1-py3-none-any.whl", "w") as wheel:
        facts = "tiny_thing-1.dist-info"
        wheel.writestr("tiny_thing.py", "")
        wheel.writestr(f"{facts}/METADATA", "Metadata-Version: 2.1\nName: tiny-thing\nVersion: 1\n")
        wheel.writestr(f"{facts}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(
            f"{facts}/RECORD", f"tiny_thing.py,,\n{facts}/METADATA,,\n{facts}/WHEEL,,\n{facts}/RECORD,,\n"
        )
    (wheel,) = tmp_path.iterdir()
    for name, value in {"USER": "1", "TARGET": "elsewhere", "PREFIX": "elsewhere"}.items():
        monkeypatch.setenv(f"PIP_{name}", str(tmp_path / value) if name != "USER" else value)
    made.pip("--no-index", "--quiet", wheel)
    assert subprocess.run([made.python, "-I", "-c", "import tiny_thing"]).returncode == 0
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("kind", ["a link to", "a file"])
def test_what_is_no_folder_is_left_alone(tmp_path, kind):
    """If this fails, `make` empties a folder that lies elsewhere, or ends in a traceback."""
    mine = tmp_path / "mine" / "thesis.tex"
    mine.parent.mkdir()
    mine.write_text("years of work")
    if kind == "a file":
        (tmp_path / ".venv").write_text("mine too")
    else:
        (tmp_path / ".venv").symlink_to(mine.parent)
    with pytest.raises(SystemExit, match=rf"empties .*\.venv, which should be a folder and is {kind}"):
        Environment(tmp_path / ".venv").refresh("the lock", nothing)
    assert mine.read_text() == "years of work" and (tmp_path / ".venv").exists()


@pytest.mark.skipif(not shutil.which("make"), reason="no make here")
@pytest.mark.parametrize("target", ["setup", "backends", "lock"])
@pytest.mark.parametrize("version", [(2, 7, 18), (3, 10, 13), (3, 14, 0)])
def test_a_python_of_another_age_gets_a_sentence(tmp_path, target, version):
    """If this fails, who has an old Python reads of an error in the syntax of a file that he has not written."""
    python = tmp_path / "python"
    pretend = f"import sys; sys.version_info = {version}; sys.version = '{version[0]}.{version[1]} (old)'; "
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] || exit 9\nexec "{sys.executable}" -c "{pretend}$2"\n')
    python.chmod(0o755)
    shutil.copy(ROOT / "Makefile", tmp_path)
    done = subprocess.run(["make", target, f"PYTHON={python}"], cwd=tmp_path, capture_output=True, text=True)
    assert (
        "needs Python 3.11, 3.12 or 3.13; " in done.stderr
        and f" is {version[0]}.{version[1]}\n" in done.stderr
    )
    assert done.returncode == 2 and "Traceback" not in done.stderr

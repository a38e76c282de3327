"""The ledger: verdicts are computed by one rule, and its file is sound."""

import re
import sys

import pytest

from lifbook import Run, ledger
from lifbook.build.chapters import notebooks_by_stem
from lifbook.build.project import ROOT

CLAIM = {
    "id": "a",
    "source": "gerum2021",
    "claim": "It works.",
    "chapter": "09-test",
    "metric": "accuracy",
    "confirm": {"quick": [0.9, 1], "full": [0.95, None]},
    "qualify": {"quick": [0.5, 1], "full": [0.8, 1]},
}

OF_A_SHARE = {
    "chapter": "09-test",
    "metric": "accuracy",
    "quick": [0.9, 1],
    "full": None,
    "why": "a guess does better",
}


def run(value, source="real"):
    return Run({"source": source, "accuracy": {"mean": value, "sd": 0.0, "n": 1, "values": [value]}})


@pytest.mark.parametrize(
    "value, profile, expected",
    [
        (0.92, "quick", ledger.HOLDS),
        (0.9, "quick", ledger.HOLDS),  # a band includes its ends
        (0.92, "full", ledger.QUALIFIED),
        (0.6, "quick", ledger.QUALIFIED),
        (0.6, "full", ledger.FAILS),
        (0.99, "full", ledger.HOLDS),
        (0.1, "quick", ledger.FAILS),
    ],
)
def test_a_verdict_follows_from_the_bands(value, profile, expected):
    assert ledger.judge(CLAIM, run(value), profile) == expected


@pytest.mark.parametrize(
    "values, expected",
    [
        ([0.95, 0.96, 0.97, 0.98], ledger.HOLDS),
        ([0.91, 0.91, 0.91, 0.95], ledger.QUALIFIED),  # the mean is inside, the interval is not
        ([0.2, 0.9, 0.9, 0.9], ledger.FAILS),
        ([0.95], ledger.UNTESTED),  # one seed has no interval
    ],
)
def test_a_claim_of_equality_wants_its_whole_interval_in_the_band(values, expected):
    """If this fails, a difference too uncertain to rule out a larger one passes for none."""
    n, mean = len(values), sum(values) / len(values)
    sd = (sum((v - mean) ** 2 for v in values) / max(n - 1, 1)) ** 0.5
    seeds = Run({"source": "real", "accuracy": {"mean": mean, "sd": sd, "n": n, "values": values}})
    claim = CLAIM | {"interval": 0.9, "confirm": {"quick": [0.9, 1]}}
    assert ledger.judge(claim, seeds, "quick") == expected


@pytest.mark.parametrize(
    "missing", [Run(), Run({"source": "real"}), run(0.99, "stand-in"), Run({"source": "real", "other": 1})]
)
def test_nothing_measured_on_real_data_is_not_tested(missing):
    assert ledger.judge(CLAIM, missing, "quick") == ledger.UNTESTED


def test_the_full_run_decides_where_there_is_one():
    assert ledger.verdict(CLAIM, run(0.99), run(0.6)) == (ledger.FAILS, "full")
    assert ledger.verdict(CLAIM, run(0.99), Run()) == (ledger.HOLDS, "quick")
    assert ledger.verdict(CLAIM, run(0.99, "stand-in"), Run()) == (ledger.UNTESTED, "")
    open_claim = CLAIM | {"confirm": {"quick": None, "full": None}}
    assert ledger.verdict(open_claim, run(0.99), run(0.99)) == (ledger.UNTESTED, "")


def test_a_check_outside_its_band_is_named_with_its_reason():
    book = {"claims": [], "checks": [OF_A_SHARE]}
    (found,) = ledger.violations(book, {"09-test": run(0.5)}, "quick")
    assert found == "09-test: accuracy = 0.5 (quick), expected 0.9 to 1: a guess does better"
    assert ledger.violations(book, {"09-test": run(0.95)}, "quick") == []
    assert ledger.violations(book, {"09-test": run(0.5)}, "full") == []
    assert ledger.violations(book, {"09-test": run(0.5, "stand-in")}, "quick") == []
    assert ledger.violations(book, {}, "quick") == []


def written(tmp_path, text):
    (tmp_path / "results").mkdir(parents=True)
    (tmp_path / "results" / "claims.yml").write_text(text)
    return tmp_path


ENTRY = "{id: a, source: s, claim: c, chapter: 09-t, metric: m, confirm: {quick: [0, 1]}}"


@pytest.mark.parametrize(
    "text, message",
    [
        (f"claims: [{ENTRY}, {ENTRY}]\nchecks: []", "received twice: a"),
        ("claims: [{id: a, source: s}]\nchecks: []", "entry a of the ledger lacks"),
        (f"claims: [{ENTRY.replace('metric', 'mertic')}]\nchecks: []", "unknown .'mertic'."),
        (f"claims: [{ENTRY.replace('[0, 1]', '[0]')}]\nchecks: []", "must be .low, high."),
        (f"claims: [{ENTRY.replace('quick', 'fast')}]\nchecks: []", "must have bands for quick and full"),
    ],
)
def test_a_ledger_that_is_not_sound_is_refused(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        ledger.load(written(tmp_path, text))


CHECK = "{chapter: 09-t, metric: m, quick: [0, 1], full: null, why: w}"


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "claims.yml must hold two lists, claims and checks.*received None"),
        ("claims: []", "must hold two lists.*received .'claims': 'list'."),
        ("claims: []\nchecks:", "must hold two lists.*'checks': 'NoneType'"),
        ("claims: []\nchecks: []\nclaim: []", "must hold two lists.*'claim': 'list'"),
        ("claims: [a]\nchecks: []", "an entry of the ledger must be a mapping, received 'a'"),
        (f"claims: []\nchecks: [[{CHECK}]]", "an entry of the ledger must be a mapping, received"),
        (
            f"claims: [{ENTRY.replace('{quick: [0, 1]}', 'null')}]\nchecks: []",
            "confirm of a must have bands.*None",
        ),
        (
            f"claims: [{ENTRY.replace('metric: m', 'metric: m, metric: n')}]\nchecks: []",
            "each key .* once.*line 1",
        ),
        *(
            (
                f"claims: [{ENTRY.replace('[0, 1]', band)}]\nchecks: []",
                rf"a band of a must be .low, high.*{received}",
            )
            for band, received in [
                ("[1e-3, 1]", "'1e-3', 1"),
                ("[true, 1]", "True, 1"),
                ("[.nan, 1]", "nan, 1"),
                ("[0, .inf]", "0, inf"),
                ("[1, 0]", "1, 0"),
            ]
        ),
        (
            f"claims: []\nchecks: [{CHECK.replace('[0, 1]', '[2, 1]')}]",
            "a band of m must be .low, high.*2, 1",
        ),
        *(
            (
                f"claims: [{ENTRY.replace('metric', f'interval: {value}, metric')}]\nchecks: []",
                "interval of a must be",
            )
            for value in ("90", "1", "true", "null", "9e-1", ".nan")
        ),
    ],
)
def test_a_ledger_with_a_slip_of_the_pen_is_refused(tmp_path, text, message):
    """If this fails, a claim is judged by a band that nobody wrote, or hours later by an error without a name."""
    with pytest.raises(ValueError, match=message):
        ledger.load(written(tmp_path, text))


@pytest.mark.parametrize(
    "key, value, name",
    [
        ("id", "{b: 1}", "{'b': 1}"),
        ("id", "1", "1"),
        ("metric", "[m]", "a"),
        ("chapter", "null", "a"),
        ("claim", "5", "a"),
    ],
)
def test_what_should_be_text_is_text(tmp_path, key, value, name):
    """If this fails, an entry is compared with nothing, or refused by an error that names neither entry nor key."""
    entry = re.sub(rf"\b{key}: [\w-]+", f"{key}: {value}", ENTRY)
    with pytest.raises(ValueError, match=re.escape(f"{key} of {name} must be text")):
        ledger.load(written(tmp_path, f"claims: [{entry}, {entry}]\nchecks: []"))
    with pytest.raises(ValueError, match="why of m must be text, in quotes if need be, received 5"):
        ledger.load(written(tmp_path / "check", f"claims: []\nchecks: [{CHECK.replace('why: w', 'why: 5')}]"))


@pytest.mark.parametrize(
    "content", [b"claims: [\xff]", b"claims: [", b"? {a: b}\n: c", b"<<<<<<< HEAD\nclaims: []\n"]
)
def test_a_file_that_is_no_yaml_is_named(tmp_path, content):
    """If this fails, the error speaks of a byte or a line, and not of the file."""
    root = written(tmp_path, "")
    (root / "results" / "claims.yml").write_bytes(content)
    with pytest.raises(ValueError, match="claims.yml must be YAML in UTF-8. Received: "):
        ledger.load(root)


@pytest.mark.parametrize("value", ["0.99", {"steps": [1]}, [[1, 2]]])
def test_what_is_no_number_judges_nothing_and_is_named(value):
    """If this fails, a build ends with an error about `<=`, without the name of the number."""
    odd = Run({"source": "real", "accuracy": value})
    with pytest.raises(ValueError, match="accuracy must be a number, to judge a by. Received: "):
        ledger.judge(CLAIM, odd, "quick")
    (found,) = ledger.violations({"claims": [], "checks": [OF_A_SHARE]}, {"09-test": odd}, "quick")
    assert found.startswith("09-test: accuracy must be a number (quick). Received: ")


def test_a_damaged_run_is_named(tmp_path):
    """If this fails, one damaged file among fifty stops the build, and the message does not say which."""
    (tmp_path / "results" / "full").mkdir(parents=True)
    (tmp_path / "results" / "full" / "09-t.json").write_text("<<<<<<< HEAD")
    with pytest.raises(ValueError, match="09-t.json must hold a run"):
        ledger.runs(tmp_path, "full")


def test_without_yaml_the_way_to_get_it_is_named(tmp_path, monkeypatch):
    """If this fails, the user must know that the module `yaml` comes with a package of another name."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ImportError, match="pip install pyyaml"):
        ledger.load(written(tmp_path, "claims: []\nchecks: []"))


def test_a_claim_is_shown_with_value_band_and_verdict(tmp_path):
    root = written(tmp_path, f"claims: [{ENTRY}]\nchecks: []")
    assert "not measured yet" in ledger.as_markdown(root, "s")
    (root / "results" / "quick").mkdir()
    (root / "results" / "quick" / "09-t.json").write_text('{"numbers": {"source": "real", "m": 0.25}}')
    shown = ledger.as_markdown(root, "s")
    assert "- this build: 0.25 (confirmed by 0 to 1)" in shown
    assert "**✓ Holds**, this build" in shown and 'data-verdict="holds"' in shown
    assert ledger.as_markdown(root, "other") == ""
    assert ledger.count(root) == {ledger.HOLDS: 1, ledger.QUALIFIED: 0, ledger.FAILS: 0, ledger.UNTESTED: 0}


def test_this_ledger_names_what_exists():
    """Chapters are in the book, metrics in the code of their chapters, sources in the bibliography.

    A claim whose bands are all null is announced, not tested: its metric need not exist yet.
    """
    book = ledger.load(ROOT)
    known = set(re.findall(r"@\w+\{(\w+),", (ROOT / "references.bib").read_text()))
    assert {claim["source"] for claim in book["claims"]} <= known
    chapters = notebooks_by_stem()
    tested = [claim for claim in book["claims"] if any(claim["confirm"].values())]
    for entry in tested + book["checks"]:
        assert entry["chapter"] in chapters, entry
        code = "\n".join(cell.source for cell in chapters[entry["chapter"]].cells if cell.cell_type == "code")
        assert re.search(rf"\b{entry['metric']}\b", code), entry

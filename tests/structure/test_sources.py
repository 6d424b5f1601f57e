"""What every source file keeps to: it is short, pickles nothing and names nobody's home folder."""

import re
from pathlib import Path

import pytest

MAX_LINES = 400
MAX_MODEL_LINES = 300  # a model should take about 250

# Assembled from halves, so that a search of the sources doesn't find this file.
HOME = re.compile("/" + r"(?:home|Users)/\w|/" + r"root\b|[A-Z]:\\\\?Users")
PICKLES = re.compile(r"\b(?:c?[pP]ickle|cloudpickle|joblib|dill|marshal|shelve)\b|allow_" + r"pickle\s*=\s*True")
PROSE = re.compile(r'"""(?:.|\n)*?"""|#.*')


def too_long(path: Path, text: str) -> bool:
    limit = MAX_MODEL_LINES if path.parts[:2] == ("tfrec", "models") else MAX_LINES
    return len(text.splitlines()) > limit


def pickles(path: Path, text: str) -> bool:
    """Whether the code, prose aside, uses a serialisation that runs code on loading."""
    return bool(PICKLES.search(PROSE.sub("", text)))


def names_a_home(path: Path, text: str) -> bool:
    return bool(HOME.search(text))


@pytest.mark.parametrize("rule", [too_long, pickles, names_a_home])
def test_rule(files, rule):
    assert [str(path) for path, text in files.items() if rule(path, text)] == []


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (too_long, "tfrec/linalg.py", "x\n" * 401),
        (too_long, "tfrec/models/ease.py", "x\n" * 301),
        (pickles, "tfrec/saving.py", "import pickle"),
        (pickles, "tfrec/saving.py", "from joblib import dump"),
        (pickles, "tfrec/saving.py", "np.load(path, allow_pickle = True)"),
        (names_a_home, "tfrec/data/sources.py", 'FOLDER = "/home/' + 'somebody/data"'),
        (names_a_home, "tfrec/data/sources.py", 'FOLDER = "/Users/' + 'somebody"'),
    ],
)
def test_rule_finds_what_is_wrong(rule, path, text):
    assert rule(Path(path), text)


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (too_long, "tfrec/linalg.py", "x\n" * 400),
        (
            pickles,
            "tfrec/saving.py",
            '"""Nothing is pickled: no pickle."""\nnp.load(path, allow_pickle=False)  # no pickle',
        ),
        (names_a_home, "tfrec/data/sources.py", 'HOME = Path.home() / ".cache"'),
    ],
)
def test_rule_leaves_the_rest_alone(rule, path, text):
    assert not rule(Path(path), text)

"""What the tests of `tfrec.data` share: small interactions, and small files in MovieLens' layouts."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tfrec.data import Interactions

ML_100K = {
    "u.data": "196\t242\t3\t881250949\n186\t302\t3\t891717742\n196\t302\t5\t878887116\n",
    "u.item": (
        "1|Toy Story (1995)|01-Jan-1995||url|" + "|".join("0001110000000000000") + "\n"
        "242|Kolya (1996)|24-Jan-1997||url|" + "|".join("0000010000000000000") + "\n"
        "302|Misérables, Les (1997)|01-Jan-1997||url|" + "|".join("0000001010000010000") + "\n"
    ),
    "u.user": "1|24|M|technician|85711\n186|39|F|executive|00000\n196|49|M|writer|55105\n",
}
ML_1M = {
    "ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "movies.dat": (
        "1::Toy Story (1995)::Animation|Children's|Comedy\n"
        "661::James and the Giant Peach (1996)::Animation|Children's|Musical\n"
        "1193::Cuckoo's Nest: A Misérable Title (1975)::Drama\n"
    ),
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
}
FILES = {"ml-100k": ML_100K, "ml-1m": ML_1M}


@pytest.fixture(autouse=True)
def no_data_elsewhere(request, tmp_path, monkeypatch):
    """Keep this machine's own data and cache out of the tests, but for those of real data."""
    monkeypatch.setenv("TFREC_CACHE", str(tmp_path / "cache"))
    if "tfrec_data" not in request.fixturenames:
        monkeypatch.delenv("TFREC_DATA", raising=False)


@pytest.fixture
def make_folder(tmp_path):
    """A function that writes a small data set's files, some replaced or left out (None), and returns their folder."""

    def make(name: str, root: Path | None = None, **changes: str | None) -> Path:
        folder = (tmp_path / "files" if root is None else root) / name
        folder.mkdir(parents=True)
        changed = {key.replace("_", "."): text for key, text in changes.items()}
        for file, text in {**FILES[name], **changed}.items():
            if text is not None:
                (folder / file).write_bytes(text.encode("latin-1"))
        return folder

    return make


@pytest.fixture
def make_zip():
    """A function that packs a folder's files into a zip, under the folder's name or flat."""

    def make(folder: Path, target: Path, *, flat: bool = False) -> Path:
        target.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, file.name if flat else f"{folder.name}/{file.name}")
        return target

    return make


@pytest.fixture
def small() -> Interactions:
    """Three users, one of them without rows; four items; one pair twice; two equal times."""
    return Interactions(
        user=np.array([0, 2, 0, 0, 2]),
        item=np.array([1, 3, 0, 1, 0]),
        rating=np.array([4.0, 2.0, 5.0, 3.0, 0.0]),
        timestamp=np.array([30, 20, 10, 20, 20]),
        weight=np.array([1.0, 0.5, 2.0, 3.0, 0.0]),
        user_ids=np.array(["ann", "bob", "cy"], dtype=object),
        item_ids=np.array(["a", "b", "c", "d"], dtype=object),
        item_titles=np.array(["A", "B", "C", "D"], dtype=object),
        name="small",
    )

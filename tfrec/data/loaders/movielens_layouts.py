"""The official files of the MovieLens data sets: where they are, what they look like and how much is in them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tfrec.data.files.number_files import Column
from tfrec.data.files.official_files import TextFile
from tfrec.data.files.sources import Source

_PLACE = "https://files.grouplens.org/datasets/movielens"

_COMMON_GENRES = (
    "Comedy", "Crime", "Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance",
    "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
_OLD_GENRES = ("Action", "Adventure", "Animation", "Children's", *_COMMON_GENRES)
_GENRES = ("Action", "Adventure", "Animation", "Children", *_COMMON_GENRES, "IMAX")

_IDS = (Column("user", 1, 2**31 - 1, "int32"), Column("item", 1, 2**31 - 1, "int32"))
_TIME = Column("timestamp", 0, 2**62)
_STARS = (*_IDS, Column("rating", 1, 5, "float32"), _TIME)
_HALF_STARS = (*_IDS, Column("rating", 0.5, 5, "float32", step=0.5), _TIME)


@dataclass(frozen=True)
class MovieLens:
    """One of the MovieLens data sets: its files and what is in them.

    Attributes:
        source: Where the files come from; its main file has the ratings.
        ratings: Layout of the ratings file.
        columns: The columns of the ratings file.
        items: Layout of the movies file, which lists movies without ratings too.
        n_users: The number of users.
        n_rated: The number of movies with ratings.
        n_ratings: The number of ratings. The numbers of a data set that changes are those of September 2018.
        genres: Names of the genres; in the order of the flags if the movies file has flags.
        genre_field: The field of a movie where they begin, counted from 0.
        users: Layout of the users file, or None where nothing is known of the users.
        user_fields: Names of the fields of a user, after the id.
        links: Layout of the file of the movies' ids elsewhere, or None.
    """

    source: Source
    ratings: TextFile
    columns: tuple[Column, ...]
    items: TextFile
    n_users: int
    n_rated: int
    n_ratings: int
    genres: tuple[str, ...]
    genre_field: int = 2
    users: TextFile | None = None
    user_fields: tuple[str, ...] = ()
    links: TextFile | None = None


def _source(title: str, name: str, main_file: str, md5: str | None, inner_folder: str | None = None) -> Source:
    url = f"{_PLACE}/ml-{name}.zip"
    md5_url = None if md5 else f"{url}.md5"
    return Source(f"MovieLens-{title}", f"ml-{name}", main_file, url, md5, md5_url, inner_folder)


def _with_csv_files(
    title: str, name: str, md5: str | None, *, n_ratings: int, n_users: int, n_rated: int, n_listed: int | None
) -> MovieLens:
    """A data set in the layout of 2015 and later. Without a number of listed movies its size changes."""
    return MovieLens(
        source=_source(title, name, "ratings.csv", md5),
        ratings=TextFile(
            "ratings.csv", ",", 4, None if n_listed is None else n_ratings, header="userId,movieId,rating,timestamp"
        ),
        columns=_HALF_STARS,
        items=TextFile("movies.csv", ",", 3, n_listed, header="movieId,title,genres", encoding="utf-8", quoted=True),
        n_users=n_users,
        n_rated=n_rated,
        n_ratings=n_ratings,
        genres=_GENRES,
        links=TextFile("links.csv", ",", 3, n_listed, header="movieId,imdbId,tmdbId"),
    )


ML_100K = MovieLens(
    source=_source("100K", "100k", "u.data", "0e33842e24a9c977be4e0107933c0723"),
    ratings=TextFile("u.data", "\t", 4, 100_000),
    columns=_STARS,
    items=TextFile("u.item", "|", 24, 1_682, encoding="latin-1"),
    n_users=943,
    n_rated=1_682,
    n_ratings=100_000,
    genres=("unknown", *_OLD_GENRES),
    genre_field=5,
    users=TextFile("u.user", "|", 5, 943),
    user_fields=("age", "gender", "occupation", "zip_code"),
)

ML_1M = MovieLens(
    source=_source("1M", "1m", "ratings.dat", "c4d9eecfca2ab87c1945afe126590906"),
    ratings=TextFile("ratings.dat", "::", 4, 1_000_209),
    columns=_STARS,
    items=TextFile("movies.dat", "::", 3, 3_883, encoding="latin-1"),
    n_users=6_040,
    n_rated=3_706,
    n_ratings=1_000_209,
    genres=_OLD_GENRES,
    users=TextFile("users.dat", "::", 5, 6_040),
    user_fields=("gender", "age", "occupation", "zip_code"),
)

ML_10M = MovieLens(
    source=_source("10M", "10m", "ratings.dat", "ce571fd55effeba0271552578f2648bd", "ml-10M100K"),
    ratings=TextFile("ratings.dat", "::", 4, 10_000_054),
    columns=_HALF_STARS,
    items=TextFile("movies.dat", "::", 3, 10_681, encoding="utf-8"),
    n_users=69_878,
    n_rated=10_677,
    n_ratings=10_000_054,
    genres=_GENRES,
)

ML_20M = _with_csv_files(
    "20M", "20m", "cd245b17a1ae2cc31bb14903e1204af3",
    n_ratings=20_000_263, n_users=138_493, n_rated=26_744, n_listed=27_278,
)  # fmt: skip
ML_25M = _with_csv_files(
    "25M", "25m", "6b51fb2759a8657d3bfcbfc42b592ada",
    n_ratings=25_000_095, n_users=162_541, n_rated=59_047, n_listed=62_423,
)  # fmt: skip
ML_32M = _with_csv_files(
    "32M", "32m", "d472be332d4daa821edc399621853b57",
    n_ratings=32_000_204, n_users=200_948, n_rated=84_432, n_listed=87_585,
)  # fmt: skip
ML_LATEST_SMALL = _with_csv_files(
    "latest-small", "latest-small", None, n_ratings=100_836, n_users=610, n_rated=9_724, n_listed=None
)

MOVIELENS: Mapping[str, MovieLens] = MappingProxyType(
    {
        "100k": ML_100K,
        "1m": ML_1M,
        "10m": ML_10M,
        "20m": ML_20M,
        "25m": ML_25M,
        "32m": ML_32M,
        "latest-small": ML_LATEST_SMALL,
    }
)

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from streamer.store.sqlite import file, schema


def test_the_folder_and_the_file_are_made(tmp_path: Path) -> None:
    path = tmp_path / "not yet" / "here #1?.db"
    file.create(path, 1.0)
    assert path.is_file()
    with closing(file.connect(path, 1.0)) as connection:
        assert schema.is_complete(connection)


def test_every_commit_is_on_the_disk(tmp_path: Path) -> None:
    file.create(tmp_path / "a.db", 1.0)
    with closing(file.connect(tmp_path / "a.db", 1.0)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
        assert connection.isolation_level is None


def test_a_missing_file_is_not_made_by_the_way(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        file.connect(tmp_path / "a.db", 1.0)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.db").write_text("minutes of the last meeting\n" * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        file.connect(tmp_path / "a.db", 1.0)


def test_another_file_in_its_place_has_another_identity(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.touch()
    second.touch()
    before = file.identity(first)
    second.rename(first)
    assert file.identity(first) != before


def test_a_new_file_may_be_made_by_many_at_once(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    start = threading.Barrier(8)
    failed: list[BaseException] = []

    def create() -> None:
        start.wait()
        try:
            file.create(path, 5.0)
        except BaseException as error:  # noqa: BLE001  # shown by the assertion
            failed.append(error)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


class Contended(sqlite3.Connection):
    """Finds the file locked at its first try of anything that needs the lock."""

    tries = 0

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        if sql in ("PRAGMA journal_mode=WAL", "BEGIN IMMEDIATE"):
            self.tries += 1
            if self.tries == 1:
                error = sqlite3.OperationalError("database is locked")
                error.sqlite_errorcode = sqlite3.SQLITE_BUSY_RECOVERY
                raise error
        return super().execute(sql, *values)


@pytest.fixture
def contended(tmp_path: Path) -> Iterator[Contended]:
    with closing(sqlite3.connect(tmp_path / "a.db", factory=Contended, isolation_level=None)) as connection:
        yield connection


def test_who_loses_the_race_for_the_switch_tries_again(contended: Contended) -> None:
    file.into_wal(contended, 5.0)
    assert contended.tries == 2
    assert sqlite3.Connection.execute(contended, "PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_writer_tries_again_by_itself(contended: Contended) -> None:
    file.begin(contended, 5.0)
    assert (contended.tries, contended.in_transaction) == (2, True)


def test_another_error_is_not_tried_again(contended: Contended) -> None:
    file.begin(contended, 5.0)
    with pytest.raises(sqlite3.OperationalError, match="within a transaction"):
        file.begin(contended, 5.0)
    assert contended.tries == 3


def test_a_file_that_cannot_be_switched_to_a_log_is_given_up_after_the_time_out(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            file.create(tmp_path / "a.db", 0.05)
        holder.execute("ROLLBACK")

import os
import socket
from pathlib import Path

from streamer.cli import holder


def test_the_process_that_listens_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        told = holder.of(listening.getsockname()[1])
    assert told == f"{Path('/proc/self/comm').read_text().strip()} (process {os.getpid()})"


def test_where_nobody_listens_nobody_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    assert holder.of(port) is None


def test_without_proc_nothing_is_known(tmp_path: Path) -> None:
    assert holder.of(80, tmp_path) is None


def test_who_may_not_be_looked_at_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text("head\n 0: 0100007F:0050 00000000:0000 0A 0:0 0:0 0 0 0 77 1\n")
    (tmp_path / "12").mkdir()  # a process without a list of files
    assert holder.of(80, tmp_path) is None
    (tmp_path / "13" / "fd").mkdir(parents=True)
    (tmp_path / "13" / "comm").write_text("nginx\n")
    (tmp_path / "13" / "fd" / "0").symlink_to("/dev/null")
    assert holder.of(80, tmp_path) is None
    (tmp_path / "13" / "fd" / "3").symlink_to("socket:[77]")
    assert holder.of(80, tmp_path) == "nginx (process 13)"

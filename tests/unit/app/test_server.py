"""What the server asks of the system; its life is in tests/integration/app."""

import socket

import pytest

from app import server

OPTIONS = {"TCP_USER_TIMEOUT": server.UNREAD_MS, "TCP_NOTSENT_LOWAT": server.UNSENT_BYTES}


@pytest.mark.parametrize("missing", [None, *OPTIONS])
def test_what_the_kernel_keeps_is_bounded_where_the_system_can_do_that(
    monkeypatch: pytest.MonkeyPatch, missing: str | None
) -> None:
    there = {name: getattr(socket, name) for name in OPTIONS if hasattr(socket, name)}
    if missing is not None:
        monkeypatch.delattr(socket, missing, raising=False)
    with socket.socket() as listening:
        before = {name: listening.getsockopt(socket.IPPROTO_TCP, option) for name, option in there.items()}
        server._bound_what_the_kernel_keeps(listening)
        for name, option in there.items():
            expected = before[name] if name == missing else OPTIONS[name]
            assert listening.getsockopt(socket.IPPROTO_TCP, option) == expected

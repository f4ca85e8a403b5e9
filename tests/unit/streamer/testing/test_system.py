"""What the processes of the stack are given, without starting them."""

import os
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

import streamer
from streamer.settings import Settings
from streamer.testing.system import DEFAULTS, environment

HOME = str(Path(streamer.__file__).parents[1])


def test_settings_become_variables() -> None:
    made = environment(
        {"actions": ("a.one", "a.two"), "console": True, "jwt_secret": SecretStr("s" * 32), "jwt_issuer": None}
    )
    assert made["STREAMER_ACTIONS"] == "a.one,a.two"
    assert made["STREAMER_CONSOLE"] == "True"
    assert made["STREAMER_JWT_SECRET"] == "s" * 32
    assert made["STREAMER_JWT_ISSUER"] == ""
    assert made["STREAMER_PORT"] == "0"


def test_only_settings_that_are_given_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_PORT", "8080")
    monkeypatch.setenv("STREAMER_TTL_S", "1")
    monkeypatch.setenv("ACME_KEY", "kept")
    made = environment({})
    assert made["STREAMER_PORT"] == "0"
    assert "STREAMER_TTL_S" not in made
    assert made["ACME_KEY"] == "kept"


def test_the_defaults_are_settings_and_secrets_are_new_each_time() -> None:
    assert Settings.model_fields.keys() >= DEFAULTS.keys()
    assert environment({})["STREAMER_JWT_SECRET"] != environment({})["STREAMER_JWT_SECRET"]


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(TypeError, match="there is no setting prot"):
        environment({"prot": 1})


def test_modules_are_looked_for_where_this_process_does_behind_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", ["/acme", "", HOME])
    assert environment({})["PYTHONPATH"] == os.pathsep.join([HOME, "/acme"])

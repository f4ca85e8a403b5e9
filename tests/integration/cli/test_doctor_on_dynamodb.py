"""`streamer doctor` against a real DynamoDB Local.

The server of the tests has one set of tables for all regions, so a proxy in front of it answers calls that are signed
for a region without tables as a region without tables does.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from botocore.session import get_session
from typer.testing import CliRunner

from streamer.cli.program import program
from streamer.jobs import ids
from streamer.store.open import open_store
from tests.support.dynamodb_local import DynamoDBLocal
from tests.support.fault_proxy import Answer, FaultProxy, Hang
from tests.support.ports import free_port

WITH_SKEW = "import tests.support.skewed_clock; from streamer.cli import main; main()"
SETTINGS = {
    "STREAMER_STORE": "dynamodb",
    "STREAMER_JWT_SECRET": "a secret of at least thirty-two bytes",
    "STREAMER_CLUSTER_KEY_ID": "test",
    "STREAMER_CLUSTER_SECRET": "secret",
    **dict.fromkeys(("STREAMER_PORT", "STREAMER_INTERNAL_PORT", "STREAMER_WORKER_PORT"), "0"),
}

Findings = list[dict[str, Any]]


class Doctor:
    """Asks `streamer doctor` with this environment and no other variables of ours or of the AWS SDK."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.env = env
        self._folder = folder

    async def says(self, **env: str) -> Findings:
        """Asked in a thread of its own, as it has a loop of its own."""
        others = {name: None for name in os.environ if name.startswith(("STREAMER_", "AWS_"))}
        asked = CliRunner(env={**others, **self._environment(env)})
        result = await asyncio.to_thread(asked.invoke, program, ["doctor", "--json"])
        return _findings(result.exit_code, result.stdout)

    async def says_where_the_clock_is_wrong(self, skew: Path) -> Findings:
        """Asked in a process of its own, which has the clock that this file says."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("STREAMER_", "AWS_"))}
        running = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WITH_SKEW, "doctor", "--json"),
            cwd=self._folder,
            env={**kept, **self._environment({}), "SKEW": str(skew)},
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await running.communicate()
        return _findings(running.returncode, output)

    def _environment(self, env: dict[str, str]) -> dict[str, str]:
        return {name: value for name, value in {**SETTINGS, **self.env, **env}.items() if value}

    async def only_fault(self, **env: str) -> dict[str, Any]:
        return only(await self.says(**env))


def _findings(exit_code: int | None, output: str | bytes) -> Findings:
    told = json.loads(output)
    assert exit_code == (0 if told["ok"] else 1)
    return list(told["findings"])


def only(findings: Findings) -> dict[str, Any]:
    """The one thing that is wrong."""
    faults = [finding for finding in findings if finding["verdict"] == "wrong"]
    assert len(faults) == 1, findings
    assert faults[0]["remedy"]
    return faults[0]


@pytest.fixture
async def proxy(dynamodb_local: DynamoDBLocal) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(dynamodb_local.url) as running:
        yield running


@pytest.fixture
def doctor(tmp_path: Path, proxy: FaultProxy, dynamodb_local: DynamoDBLocal) -> Doctor:
    """On tables that nobody has made."""
    way = {"AWS_ENDPOINT_URL_DYNAMODB": proxy.url, "STREAMER_TABLE_PREFIX": f"doctor_{ids.nonce()}_"}
    return Doctor(tmp_path, {**dynamodb_local.environment, **way})


@pytest.fixture
async def with_tables(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    for name, value in doctor.env.items():
        monkeypatch.setenv(name, value)
    async with open_store("dynamodb", table_prefix=doctor.env["STREAMER_TABLE_PREFIX"]) as store:
        await store.create()
    return doctor


def others(region: str) -> list[str]:
    return [name for name in get_session().get_available_regions("dynamodb") if name != region]


def without_tables(proxy: FaultProxy, *regions: str) -> None:
    for region in regions:
        missing = Answer(400, "ResourceNotFoundException")
        proxy.on("DescribeTable", missing, onwards=True, within=f"/{region}/dynamodb/aws4_request")


async def test_complete_tables_are_fine(with_tables: Doctor) -> None:
    findings = await with_tables.says()
    assert {finding["verdict"] for finding in findings} == {"ok"}
    assert [finding["check"] for finding in findings][2:6] == ["store", "clock", "tables", "cluster"]


async def test_no_tables_anywhere(doctor: Doctor, proxy: FaultProxy) -> None:
    fault = await doctor.only_fault()
    assert fault["check"] == "tables"
    assert fault["what"].startswith(f"There are no tables {doctor.env['STREAMER_TABLE_PREFIX']}* in DynamoDB in us-")
    assert "streamer tables create" in fault["remedy"]
    assert proxy.calls["DescribeTable"] > len(others("us-east-1"))


async def test_the_wrong_region_and_which_is_the_right_one(with_tables: Doctor, proxy: FaultProxy) -> None:
    without_tables(proxy, "us-east-1", *others("eu-west-1"))
    fault = await with_tables.only_fault()
    assert fault["check"] == "region"
    assert fault["what"].endswith("but there are in eu-west-1.")
    assert "Set AWS_REGION=eu-west-1" in fault["remedy"]


async def test_some_tables_are_missing(with_tables: Doctor, proxy: FaultProxy) -> None:
    prefix = with_tables.env["STREAMER_TABLE_PREFIX"]
    for name in ("events", "nodes"):
        missing = Answer(400, "ResourceNotFoundException")
        proxy.on("DescribeTable", missing, onwards=True, within=f'"{prefix}{name}"')
    fault = await with_tables.only_fault()
    assert fault["what"].startswith(f"{prefix}events, {prefix}nodes are missing in DynamoDB in us-east-1")


@pytest.mark.parametrize("skew_s", [600, -600])
async def test_a_clock_that_is_off_by_ten_minutes(with_tables: Doctor, tmp_path: Path, skew_s: int) -> None:
    skew = tmp_path / "skew"
    skew.write_text(str(skew_s))
    fault = only(await with_tables.says_where_the_clock_is_wrong(skew))
    assert fault["check"] == "clock"
    told = fault["what"].removeprefix("This machine's clock is ")
    assert told.startswith(("10 min", "9 min 59 s", "9 min 58 s"))
    assert ("ahead of the store's" in told) == (skew_s > 0)


async def test_a_signature_that_is_too_old_is_the_clocks_fault(doctor: Doctor, proxy: FaultProxy) -> None:
    body = {"__type": "InvalidSignatureException", "message": "Signature expired: 20260101T000000Z is now earlier than"}
    proxy.on("DescribeTable", Answer(400, "InvalidSignatureException", json.dumps(body).encode()), onwards=True)
    fault = await doctor.only_fault()
    assert (fault["check"], "Signature expired" in fault["what"]) == ("clock", True)


async def test_a_store_that_nobody_reaches(doctor: Doctor) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    fault = await doctor.only_fault(AWS_ENDPOINT_URL_DYNAMODB=url)
    assert fault["check"] == "store"
    assert fault["what"].startswith(f"DynamoDB in us-east-1 at {url} cannot be reached")


async def test_a_store_that_does_not_answer(doctor: Doctor, proxy: FaultProxy) -> None:
    proxy.on("DescribeTable", Hang(), onwards=True)
    fault = await doctor.only_fault()
    assert (fault["check"], "cannot be reached" in fault["what"]) == ("store", True)
    assert proxy.calls["DescribeTable"] == 1


async def test_no_region_an_unknown_one_and_no_credentials(doctor: Doctor) -> None:
    nowhere = {"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_CONFIG_FILE": "/does/not/exist"}
    assert (await doctor.only_fault(**nowhere))["what"] == "No region is set."
    unknown = await doctor.only_fault(AWS_REGION="eu-central-7", AWS_ENDPOINT_URL_DYNAMODB="")
    assert unknown["what"].startswith("AWS has no region eu-central-7. Did you mean eu-central-")
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_SHARED_CREDENTIALS_FILE": "/does/not/exist"}
    assert (await doctor.only_fault(**nobody))["check"] == "credentials"


async def test_what_the_sdk_refuses_is_passed_on(doctor: Doctor) -> None:
    fault = await doctor.only_fault(AWS_PROFILE="nobody's")
    assert (fault["check"], "nobody's" in fault["what"]) == ("aws", True)


@pytest.mark.parametrize(
    ("code", "check"),
    [("UnrecognizedClientException", "credentials"), ("AccessDeniedException", "credentials"), ("Strange", "store")],
)
async def test_what_dynamodb_refuses_is_told(doctor: Doctor, proxy: FaultProxy, code: str, check: str) -> None:
    proxy.on("DescribeTable", Answer(400, code), onwards=True)
    fault = await doctor.only_fault()
    assert (fault["check"], code in fault["what"]) == (check, True)

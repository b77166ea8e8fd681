"""Runs the contract suite once per platform of the registry, each on its own bench."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sync_workers.connectors import registry
from sync_workers.connectors.hubspot.connector import HubspotConnector
from tests.contract.harness import Bench, benches
from tests.contract.harness_hubspot import Harness as HubspotBench


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One run per platform, and per kind that is created through its connector where a test asks for it."""
    if "bench" not in metafunc.fixturenames:
        return
    found = benches()
    by_kind = "kind" in metafunc.fixturenames
    params: list[Any] = []
    for platform in sorted(registry.PLATFORMS):
        bench = found.get(platform)
        marks = [getattr(pytest.mark, name) for name in bench.marks] if bench is not None else []
        if not by_kind:
            params.append(pytest.param(platform, id=platform, marks=marks))
            continue
        for kind in bench.kinds if bench is not None else ("order",):
            params.append(pytest.param(platform, kind, id=f"{platform}-{kind}", marks=marks))
    names = ["bench", "kind"] if by_kind else ["bench"]
    metafunc.parametrize(names, params, indirect=["bench"], scope="session")


@pytest.fixture(scope="session")
def bench(request: pytest.FixtureRequest) -> Iterator[Bench]:
    kind = benches().get(request.param)
    if kind is None:
        pytest.fail(f"the registry knows {request.param!r}; write tests/contract/harness_{request.param}.py")
    bench = kind()
    bench.start()
    try:
        yield bench
    finally:
        bench.stop()


@pytest.fixture(scope="module")
def hub() -> Iterator[HubspotBench]:
    """A simulated HubSpot account, set up by doctor."""
    hub = HubspotBench()
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def crm(hub: HubspotBench) -> Iterator[HubspotConnector]:
    yield hub.build(hub.settings())  # type: ignore[misc]
    hub.untroubled()


@pytest.fixture(autouse=True)
def _no_trouble_is_left(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "bench" in request.fixturenames:
        request.getfixturevalue("bench").untroubled()

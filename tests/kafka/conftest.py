"""A real broker for the tests of this folder, one for all processes of a run, and names of topics of one's own."""

import hashlib
import os
from collections.abc import Iterator

import pytest

from tests.kafka.jars import need_java
from tests.kafka.sharing import shared_broker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address (host:port) of a broker that all tests share; use names under `prefix`, and never stop it."""
    need_java()
    folder = tmp_path_factory.getbasetemp()
    with shared_broker(folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) as address:
        yield address


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """What the names of this test's topics begin with: no other test of the run has it."""
    return f"t{hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:12]}."


@pytest.fixture(scope="session")
def java() -> None:
    """For tests that start brokers of their own: skips where none can run."""
    need_java()

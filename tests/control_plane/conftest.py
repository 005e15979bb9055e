"""One real control plane for the whole suite, with simulated GPU nodes; gone when pytest is gone."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from hack.control_plane import H100_PAIR, L4, RTX_5090, T4, Cluster
from hack.control_plane.nodes import PLAIN


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """etcd, API server, controller manager, scheduler, KWOK; one node of each kind."""
    with Cluster() as running:
        running.add_nodes([RTX_5090, L4, T4, H100_PAIR, PLAIN])
        yield running

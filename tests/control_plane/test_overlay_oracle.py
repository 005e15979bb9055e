"""Overlays merge as Kubernetes' own code merges them: ``kubectl patch --local`` is asked for each case."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.control_plane import Cluster

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit/rendering"))

from test_strategic_merge import KINDER, MERGES

pytestmark = pytest.mark.control_plane


def _unordered(value: Any) -> Any:
    """Lists of objects in an order of their own; the order of plain values stays."""
    if isinstance(value, dict):
        return {key: _unordered(item) for key, item in value.items()}
    if isinstance(value, list):
        items = [_unordered(item) for item in value]
        return sorted(items, key=json.dumps) if all(isinstance(item, dict) for item in items) else items
    return value


@pytest.mark.parametrize("name", [name for name in MERGES if name not in KINDER])
def test_a_merge_is_the_one_that_kubernetes_makes(cluster: Cluster, tmp_path: Path, name: str) -> None:
    base, overlay, result = MERGES[name]
    pod = tmp_path / "pod.json"
    pod.write_text(json.dumps({"apiVersion": "v1", "kind": "Pod", **base}))
    flags = ["--local", "--type=strategic", "-o", "json", "-f", str(pod), "-p", json.dumps(overlay)]
    merged = json.loads(cluster.kubectl("patch", *flags))
    assert _unordered({key: merged[key] for key in merged if key not in {"apiVersion", "kind"}}) == _unordered(result)

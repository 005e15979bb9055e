"""Which releases run one server on several nodes without Ray, and the flags that say so.

Source (vLLM): ``--nnodes``, ``--node-rank``, ``--master-addr`` and ``--master-port`` of ``engine/arg_utils.py``, and
``entrypoints/cli/serve.py: run_headless`` (``node_rank_within_dp``): missing in 0.11.0, the same from 0.11.2 to 0.33.
Ranks are numbered stage by stage, and a node holds consecutive ones (``v1/executor/multiproc_executor.py``), so that
whole stages stand on one node wherever tensor-parallel ranks fit it.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

MULTI_NODE_SINCE: Final = EngineVersion(0, 11, 2)
"""First release whose multiprocessing backend spans nodes."""

MASTER_PORT: Final = 29501
"""Port of the first node where ranks of all nodes meet; vLLM's own default (``config/parallel.py``)."""

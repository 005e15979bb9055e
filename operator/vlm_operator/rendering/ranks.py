"""Arguments that make one command several: a rank for each node of a replica, vLLM's multiprocessing backend."""

from __future__ import annotations

from vlm_operator.engine.multi_node import MASTER_PORT


def rank_arguments(nodes: int | str, rank: int | str, address: str, *, headless: bool) -> tuple[str, ...]:
    """Flags of one rank; ``headless`` for all but the first, which alone answers requests.

    >>> rank_arguments(2, 1, "10.0.0.1", headless=True)[-2:]
    ('29501', '--headless')
    """
    flags = {
        "--distributed-executor-backend": "mp",
        "--nnodes": str(nodes),
        "--node-rank": str(rank),
        "--master-addr": address,
        "--master-port": str(MASTER_PORT),
    }
    return (*(part for flag in flags.items() for part in flag), *(("--headless",) if headless else ()))

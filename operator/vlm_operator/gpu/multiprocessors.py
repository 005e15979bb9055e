"""Streaming multiprocessors of a product: vLLM's kernels choose grid and split sizes by them."""

from __future__ import annotations

from typing import Final

from vlm_operator.gpu.products import product_rows

USUAL_MULTIPROCESSORS: Final = 132
"""What a data-centre GPU has: where a product is not listed."""


def multiprocessors(product: str) -> int | None:
    """Multiprocessors of a product by its label, None where it is not listed.

    >>> multiprocessors("NVIDIA-H100-80GB-HBM3"), multiprocessors("NVIDIA-H100-PCIe"), multiprocessors("NVIDIA-L40S")
    (132, 114, 142)
    """
    row = product_rows().get(product)
    return row.multiprocessors if row else None

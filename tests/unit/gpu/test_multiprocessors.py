"""Multiprocessors by product: some kernels keep a buffer for each."""

from __future__ import annotations

import pytest

from vlm_operator.gpu.multiprocessors import multiprocessors
from vlm_operator.gpu.products import PRODUCTS


@pytest.mark.parametrize(
    ("product", "count"),
    [
        ("NVIDIA-H100-80GB-HBM3", 132),
        ("NVIDIA-H100-PCIe", 114),
        ("NVIDIA-A100-SXM4-80GB", 108),
        ("NVIDIA-A10", 72),
        ("NVIDIA-L4", 58),
        ("NVIDIA-L40S", 142),
        ("NVIDIA-H20", 78),
        ("NVIDIA-H200", 132),
        ("NVIDIA-GeForce-RTX-3090-Ti", 84),
        ("NVIDIA-GeForce-RTX-5090", 170),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", 188),
    ],
)
def test_a_product_has_as_many_as_cuda_prints(product: str, count: int) -> None:
    assert multiprocessors(product) == count


def test_every_nvidia_product_is_listed() -> None:
    listed = {row.product: multiprocessors(row.product) for row in PRODUCTS if not row.product.startswith("AMD")}
    assert [product for product, count in listed.items() if count is None] == []

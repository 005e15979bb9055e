"""Multiprocessors by product: some kernels keep a buffer for each."""

from __future__ import annotations

import pytest

from vlm_operator.gpu.multiprocessors import multiprocessors
from vlm_operator.gpu.products import products


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


def test_every_nvidia_product_but_one_is_listed() -> None:
    unknown = [row.product for row in products() if row.multiprocessors is None and not row.product.startswith("AMD")]
    assert unknown == ["NVIDIA-L2"]


@pytest.mark.parametrize(
    ("product", "count"),
    [
        ("NVIDIA-GeForce-RTX-5080-Laptop-GPU", 60),
        ("NVIDIA-GeForce-RTX-3080-Laptop-GPU", 48),
        ("NVIDIA-GeForce-RTX-3070", 46),
        ("NVIDIA-RTX-A2000-12GB", 26),
        ("NVIDIA-H20-3e", 78),
        ("NVIDIA-H800-PCIe", 114),
        ("Quadro-RTX-8000", 72),
        ("NVIDIA-Thor", 20),
    ],
)
def test_a_product_has_as_many_as_other_programs_print(product: str, count: int) -> None:
    assert multiprocessors(product) == count


def test_a_product_that_is_not_listed_has_none() -> None:
    assert multiprocessors("NVIDIA-X900") is None

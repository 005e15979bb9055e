"""Streaming multiprocessors of a product: vLLM's kernels choose grid and split sizes by them.

Source: NVIDIA's architecture white papers and data sheets (full chips less what each product has disabled).
"""

from __future__ import annotations

from typing import Final

_SPELLINGS: Final[tuple[tuple[str, int], ...]] = (
    ("H100-PCIe", 114), ("H100", 132), ("H200", 132), ("H20", 78), ("GH200", 132), ("B200", 148), ("B300", 148),
    ("A100", 108), ("A800", 108), ("A40", 84), ("A30", 56), ("A10G", 80), ("A10", 72), ("RTX-A6000", 84),
    ("L40S", 142), ("L40", 142), ("L4", 58), ("T4", 40), ("V100", 80),
    ("H800", 132), ("GB200", 148), ("GB300", 148), ("A2", 10), ("L20", 92),
    ("RTX-PRO-6000", 188), ("RTX-PRO-5000", 110), ("RTX-PRO-4500", 82), ("RTX-PRO-4000", 70), ("RTX-6000-Ada", 142),
    ("RTX-5000-Ada", 100), ("RTX-4500-Ada", 60), ("RTX-4000-Ada", 48), ("RTX-2000-Ada", 22),
    ("RTX-A5000", 64), ("RTX-A4500", 56), ("RTX-A4000", 48),
    ("RTX-2080-Ti", 68), ("RTX-3060", 28), ("RTX-3080-Ti", 80),
    ("RTX-4060-Ti", 34), ("RTX-4070-Ti-SUPER", 66), ("RTX-4070", 46), ("RTX-4080-SUPER", 80),
    ("RTX-5060-Ti", 36),
    ("RTX-3090-Ti", 84), ("RTX-3090", 82), ("RTX-3080", 68), ("RTX-4060-Ti", 34), ("RTX-4080", 76), ("RTX-4090", 128),
    ("RTX-5070-Ti", 70), ("RTX-5070", 48), ("RTX-5080", 84), ("RTX-5090", 170), ("GB10", 48),
)  # fmt: skip

USUAL_MULTIPROCESSORS: Final = 132
"""What a data-centre GPU has: where a product is not listed."""


def multiprocessors(product: str) -> int | None:
    """Multiprocessors of a product by its label, None where it is not listed.

    >>> multiprocessors("NVIDIA-H100-80GB-HBM3"), multiprocessors("NVIDIA-H100-PCIe"), multiprocessors("NVIDIA-L40S")
    (132, 114, 142)
    """
    words = f"-{product.upper()}-"
    return next((count for spelling, count in _SPELLINGS if f"-{spelling.upper()}-" in words), None)

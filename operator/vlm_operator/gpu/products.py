"""The GPU products this project knows, read from the package's tables when the first one is asked for.

``data/products.tsv`` has one product a line, ``data/memory_variants.tsv`` cards with other memory under the same label,
``data/mig_slices.tsv`` the slices. A dash stands for "none" or "not known".

Figures were collected in November 2026 from what ``nvidia-smi``, torch, deviceQuery, llama.cpp and vLLM's own start-up
line ("Free memory on device (free/total GiB)") printed in public issues, notebooks and repositories. The columns
``nvml`` and ``cuda`` say of either total whether it was ``read`` or is ``inferred``: from a sister card, or by
``gpu.facts.cuda_total_of``. Compute capabilities: https://developer.nvidia.com/cuda-gpus; multiprocessors: NVIDIA's
white papers and data sheets. MIG slices: ``nvidia-smi mig -lgip`` and
https://docs.nvidia.com/datacenter/tesla/mig-user-guide/supported-mig-profiles.html. Label spelling: NVML's name with
spaces turned into ``-``, or CUDA's name on Jetson (https://github.com/NVIDIA/k8s-device-plugin,
``internal/lm/resource.go``, ``internal/resource/cuda-lib.go``). AMD:
https://rocm.docs.amd.com/en/7.13.0-preview/reference/gpu-specs.html and the node labeller's ``gpu.product-name``.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

_DATA: Final = Path(__file__).with_name("data")
_NONE: Final = "-"

MigRow = tuple[tuple[str, int], ...]


class ProductRow(NamedTuple):
    """One product; memory in MiB as printed.

    Attributes:
        product: value of the product label.
        aliases: what people type; where the label stands for several sizes, the first alias names this one.
        cuda_mib: CUDA's total on a Linux host with a current driver.
        spread_mib: how far that total may be off: drivers and hosts differ, or it is inferred.
        context_mib: CUDA's total less what vLLM found free on an otherwise idle GPU, None where nobody published it.
        multiprocessors: streaming multiprocessors, None where not known.
        slices: (profile, MiB) of each MIG slice.
        nvml_basis: ``read`` or ``inferred``: where NVML's total comes from, "" where it has none.
        cuda_basis: the same of CUDA's total.
        source: what printed the figures, or what they are inferred from.
    """

    product: str
    aliases: tuple[str, ...]
    architecture: str
    compute_capability: tuple[int, int] | None
    memory_kind: str
    nvml_mib: int | None
    cuda_mib: int
    spread_mib: int
    context_mib: int | None
    multiprocessors: int | None
    slices: MigRow
    nvml_basis: str
    cuda_basis: str
    source: str


class MemoryVariant(NamedTuple):
    """The same label on a card with other memory.

    Attributes:
        nvml_mib: NVML's total (the label ``gpu.memory``), by which the variant is told apart; CUDA's on Jetson.
        cuda_mib: CUDA's total, None where nobody published it.
        differs: what makes it another: ``size`` (a card with more or less memory), ``ecc``, ``driver`` or ``host``.
        aliases: what a user may type to mean this variant.
        cuda_basis: ``read`` or ``inferred``.
        note: the difference in words.
    """

    product: str
    nvml_mib: int
    cuda_mib: int | None
    differs: str
    aliases: tuple[str, ...]
    cuda_basis: str
    note: str


SOLD_IN_SIZES: Final[dict[str, tuple[str, ...]]] = {
    "A2000": ("RTX-A2000-6GB", "RTX-A2000-12GB"),
    "RTX-A2000": ("RTX-A2000-6GB", "RTX-A2000-12GB"),
}
"""Names that people use for cards of several sizes, each with a label of its own."""

NOTES: Final[dict[str, str]] = {
    "NVIDIA-GH200-480GB": "the host's LPDDR5X is a NUMA node of its own: CUDA counts only the HBM",
    "NVIDIA-GB10": "CPU and GPU share the memory: the page cache and every process count against free memory, "
    "which was between 97 and 115 GiB on idle machines",
    "NVIDIA-Thor": "CPU and GPU share the memory: what is free at start is inferred from GB10",
    "Orin": "CPU and GPU share the memory: what is free at start is inferred from GB10",
    "NVIDIA-A16": "one board is four GPUs; the figures are those of one GPU",
    "AMD_Instinct_MI250X": "one card is two devices; the figures are those of one device",
    "AMD_Radeon_8060S_Graphics": "CPU and GPU share the memory; the share is set in the BIOS",
}
"""What a person should know of a product before planning on it."""


@lru_cache(maxsize=1)
def products() -> tuple[ProductRow, ...]:
    """Every product, in the order of the table."""
    slices = _slices()
    return tuple(_product(cells, slices) for cells in _lines("products.tsv"))


@lru_cache(maxsize=1)
def memory_variants() -> tuple[MemoryVariant, ...]:
    """Every variant of a product's memory."""
    return tuple(
        MemoryVariant(product, int(nvml), _number(cuda), differs, _names(aliases), basis, note)
        for product, nvml, cuda, differs, aliases, basis, note in _lines("memory_variants.tsv")
    )


@lru_cache(maxsize=1)
def product_rows() -> dict[str, ProductRow]:
    """Every product by its label."""
    return {row.product: row for row in products()}


def _product(cells: list[str], slices: dict[str, MigRow]) -> ProductRow:
    product, aliases, architecture, capability, kind, nvml, cuda, spread, context, count, *rest = cells
    mig, nvml_basis, cuda_basis, source = rest
    major, _, minor = capability.partition(".")
    return ProductRow(
        product,
        _names(aliases),
        architecture,
        None if capability == _NONE else (int(major), int(minor)),
        kind,
        _number(nvml),
        int(cuda),
        int(spread),
        _number(context),
        _number(count),
        slices.get(mig, ()),
        "" if nvml_basis == _NONE else nvml_basis,
        cuda_basis,
        source,
    )


def _slices() -> dict[str, MigRow]:
    found: dict[str, MigRow] = {}
    for name, profile, mib, _ in _lines("mig_slices.tsv"):
        found[name] = (*found.get(name, ()), (profile, int(mib)))
    return found


def _lines(name: str) -> list[list[str]]:
    """Cells of a table without its comments and its header."""
    lines = (_DATA / name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")][1:]


def _number(cell: str) -> int | None:
    return None if cell == _NONE else int(cell)


def _names(cell: str) -> tuple[str, ...]:
    return () if cell == _NONE else tuple(cell.split(" "))

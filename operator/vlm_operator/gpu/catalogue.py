"""Resolve labels, aliases and near spellings of a GPU product to its facts."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.facts import GPUFacts, MemoryKind, MigProfile, Vendor, cuda_total_of
from vlm_operator.gpu.products import NOTES, PRODUCTS, VARIANTS, MemoryVariant, ProductRow
from vlm_operator.units import GIB, MIB, format_gib

_MIG_SUFFIX: Final = re.compile(r"[-_ ]MIG[-_ ](\d+g\.\d+gb(?:[.+][a-z0-9.]+)*)$", re.IGNORECASE | re.ASCII)
_SHARED_SUFFIX: Final = re.compile(r"[-_ ]SHARED$", re.IGNORECASE)
_NOISE: Final = re.compile(r"[^a-z0-9.]+")
_UNIFIED_FREE_SPREAD: Final = 10 * GIB
"""Idle GB10 boards with one driver: 97 to 115 GiB free (the row's figure is 107)."""
_BRANDS: Final = re.compile(r"nvidia|geforce|tesla|amd|corporation")


def _key(name: str) -> str:
    """Letters and digits only, without the brand: ``NVIDIA GeForce RTX 5090`` and ``rtx-5090`` are one key."""
    return _BRANDS.sub("", _NOISE.sub("", name.lower()))


def _facts(row: ProductRow) -> GPUFacts:
    vendor = Vendor.AMD if row.product.startswith("AMD") else Vendor.NVIDIA
    notes: list[str] = [NOTES[row.product]] if row.product in NOTES else []
    if vendor is Vendor.AMD:
        notes.append("AMD: the start-up memory model was measured on NVIDIA GPUs only")
    return GPUFacts(
        product=row.product,
        total_bytes=row.cuda_mib * MIB,
        vendor=vendor,
        total_uncertainty_bytes=row.uncertainty_mib * MIB,
        nvml_total_bytes=row.nvml_mib * MIB if row.nvml_mib else None,
        free_at_start_bytes=(row.cuda_mib - row.context_mib) * MIB if row.context_mib is not None else None,
        free_uncertainty_bytes=_UNIFIED_FREE_SPREAD if row.memory_kind == "unified" else 0,
        compute_capability=row.compute_capability,
        memory_kind=MemoryKind(row.memory_kind),
        architecture=row.architecture,
        supported=vendor is Vendor.NVIDIA,
        mig_profiles=tuple(MigProfile(name, mib * MIB) for name, mib in row.mig),
        notes=tuple(notes),
        device_name=row.product.replace("-", " ").replace("_", " "),
    )


def _variant_facts(variant: MemoryVariant) -> GPUFacts:
    base = _by_key()[_key(variant.product)]
    nvml = variant.nvml_mib * MIB
    total, uncertainty = (
        (variant.cuda_mib * MIB, base.total_uncertainty_bytes) if variant.cuda_mib else cuda_total_of(nvml)
    )
    return base.with_(
        total_bytes=total,
        total_uncertainty_bytes=uncertainty,
        nvml_total_bytes=nvml,
        free_at_start_bytes=None,
        notes=(*base.notes, f"{variant.note} ({variant.nvml_mib} MiB)"),
    )


@lru_cache(maxsize=1)
def _by_key() -> dict[str, GPUFacts]:
    """Every spelling of a product."""
    found: dict[str, GPUFacts] = {}
    for row in PRODUCTS:
        facts = _facts(row)
        for name in (row.product, *row.aliases):
            found.setdefault(_key(name), facts)
    return found


@lru_cache(maxsize=1)
def _index() -> dict[str, GPUFacts]:
    """Every spelling of a product or of a memory variant."""
    index = dict(_by_key())
    for variant in VARIANTS:
        for name in variant.aliases:
            index.setdefault(_key(name), _variant_facts(variant))
    return index


def all_gpus() -> tuple[GPUFacts, ...]:
    """Every product, in the order of the catalogue."""
    return tuple(_by_key()[_key(row.product)] for row in PRODUCTS)


def aliases_of(product: str) -> tuple[str, ...]:
    """Short names of a product."""
    return next((row.aliases for row in PRODUCTS if row.product == product), ())


def memory_variant(product: str, nvml_total_bytes: int) -> GPUFacts | None:
    """Facts of the variant of ``product`` with that NVML total, None where none is known."""
    for variant in VARIANTS:
        if variant.product == product and abs(variant.nvml_mib * MIB - nvml_total_bytes) <= 8 * MIB:
            return _variant_facts(variant)
    return None


def slice_of(gpu: GPUFacts, profile: str) -> GPUFacts:
    """One MIG slice of ``gpu``.

    Raises:
        UnknownFact: the product has no such profile, or none is known.
    """
    name = profile.lower()
    base_name = re.split(r"[.+]me|\+|\.gfx", name)[0]
    for candidate in gpu.mig_profiles:
        if candidate.name == base_name:
            return gpu.with_(
                total_bytes=candidate.total_bytes,
                nvml_total_bytes=candidate.total_bytes,
                free_at_start_bytes=None,
                mig_profile=name,
                mig_profiles=(),
                notes=(*gpu.notes, f"a {name} slice: {format_gib(candidate.total_bytes)} of the GPU"),
            )
    known = ", ".join(candidate.name for candidate in gpu.mig_profiles)
    raise UnknownFact(
        f"gpu: no memory size is known for a {profile} slice of {gpu.product}",
        field="gpu",
        hint=f"known slices: {known}" if known else "give the slice's memory with --gpu-memory SIZE",
    )


@lru_cache(maxsize=512)
def find_gpu(name: str) -> GPUFacts:
    """The product that ``name`` means: a label, an alias, or NVML's name, in any case and with any separators.

    A suffix ``-SHARED`` (time slicing) or ``-MIG-1g.10gb`` is understood as gpu-feature-discovery writes it.

    Raises:
        InputError: an empty name.
        UnknownFact: no such product; the message names the closest ones.

    >>> find_gpu("rtx 5090").product
    'NVIDIA-GeForce-RTX-5090'
    """
    text = name.strip()
    if not text:
        raise InputError("gpu: the name is empty", field="gpu", hint="list the known products with: vlmctl gpus")
    shared = _SHARED_SUFFIX.search(text)
    if shared:
        text = text[: shared.start()]
    slice_match = _MIG_SUFFIX.search(text)
    if slice_match:
        text = text[: slice_match.start()]
    gpu = _index().get(_key(text))
    if gpu is None:
        raise UnknownFact(
            f"gpu: {name.strip()[:60]!r} is not a known product{_close(text)}",
            field="gpu",
            hint="list the known products with: vlmctl gpus; or give CUDA's total with --gpu-memory SIZE",
        )
    if slice_match:
        gpu = slice_of(gpu, slice_match[1])
    if shared:
        gpu = shared_gpu(gpu)
    return gpu


def shared_gpu(gpu: GPUFacts) -> GPUFacts:
    """The GPU as a pod sees it that shares it with others by time slicing."""
    note = "shared by time slicing: what other pods hold lowers the free memory that vLLM finds at start"
    return gpu.with_(shared=True, notes=(*gpu.notes, note))


def _close(text: str) -> str:
    import difflib  # only on this path

    index = _index()
    keys = difflib.get_close_matches(_key(text)[:64], index, n=6, cutoff=0.6)
    products = list(dict.fromkeys(index[key].product for key in keys))[:3]
    return f"; close: {', '.join(products)}" if products else ""

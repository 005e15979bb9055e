"""Resolve labels, aliases and near spellings of a GPU product to its facts."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from vlm_operator.errors import InputError, UnknownFact, VlmOperatorError
from vlm_operator.gpu.facts import GPUFacts, MemoryKind, MigProfile, Vendor, cuda_total_of
from vlm_operator.gpu.products import (
    NOTES,
    SOLD_IN_SIZES,
    MemoryVariant,
    ProductRow,
    memory_variants,
    product_rows,
    products,
)
from vlm_operator.units import GIB, MIB, format_gib

_MIG_SUFFIX: Final = re.compile(r"[-_ ]MIG[-_ ](\d+g\.\d+gb(?:[.+][a-z0-9.]+)*)$", re.IGNORECASE | re.ASCII)
_SHARED_SUFFIX: Final = re.compile(r"[-_ ]SHARED$", re.IGNORECASE)
_NOISE: Final = re.compile(r"[^a-z0-9.]+")
_UNIFIED_FREE_SPREAD: Final = 10 * GIB
"""Idle GB10 boards with one driver: 97 to 115 GiB free (the row's figure is 107). A smaller board: a sixth."""
_UNIFIED_FREE_SHARE: Final = 6
_SAME_SIZE_BYTES: Final = GIB
"""Totals of one size of a card differ by less (drivers, ECC of small cards); sizes differ by 1.5 GiB at least."""
_SIZED: Final = re.compile(r"\d+GB")
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
        total_uncertainty_bytes=row.spread_mib * MIB,
        nvml_total_bytes=row.nvml_mib * MIB if row.nvml_mib else None,
        free_at_start_bytes=(row.cuda_mib - row.context_mib) * MIB if row.context_mib is not None else None,
        free_uncertainty_bytes=(
            min(_UNIFIED_FREE_SPREAD, row.cuda_mib * MIB // _UNIFIED_FREE_SHARE) if row.memory_kind == "unified" else 0
        ),
        compute_capability=row.compute_capability,
        memory_kind=MemoryKind(row.memory_kind),
        architecture=row.architecture,
        supported=vendor is Vendor.NVIDIA,
        mig_profiles=tuple(MigProfile(name, mib * MIB) for name, mib in row.slices),
        notes=tuple(notes),
        device_name=row.product.replace("-", " ").replace("_", " "),
    )


def _variant_facts(variant: MemoryVariant) -> GPUFacts:
    base = _by_label()[variant.product]
    nvml = variant.nvml_mib * MIB
    total, uncertainty = (
        (variant.cuda_mib * MIB, base.total_uncertainty_bytes) if variant.cuda_mib else cuda_total_of(nvml)
    )
    if base.memory_kind is MemoryKind.UNIFIED:
        return unified_gpu(base, total, variant.note)
    return base.with_(
        total_bytes=total,
        total_uncertainty_bytes=uncertainty,
        nvml_total_bytes=nvml,
        free_at_start_bytes=None,
        notes=(*base.notes, f"{variant.note} ({variant.nvml_mib} MiB)"),
    )


def unified_gpu(base: GPUFacts, total_bytes: int, note: str) -> GPUFacts:
    """A board like ``base`` that shares another amount of memory with its CPU: the share that is free is the same."""
    return base.with_(
        total_bytes=total_bytes,
        free_at_start_bytes=base.free_estimate_bytes * total_bytes // base.total_bytes,
        free_uncertainty_bytes=min(base.free_uncertainty_bytes, total_bytes // _UNIFIED_FREE_SHARE),
        notes=(*base.notes, note),
    )


@lru_cache(maxsize=1)
def _by_label() -> dict[str, GPUFacts]:
    """Every product by its label."""
    return {row.product: _facts(row) for row in products()}


@lru_cache(maxsize=1)
def _index() -> dict[str, GPUFacts]:
    """Every spelling of a product or of a memory variant."""
    index: dict[str, GPUFacts] = {}
    for row in products():
        for name in (row.product, *row.aliases):
            index.setdefault(_key(name), _by_label()[row.product])
    for variant in memory_variants():
        for name in variant.aliases:
            index.setdefault(_key(name), _variant_facts(variant))
    return index


@lru_cache(maxsize=1)
def _sizes() -> dict[str, tuple[str, ...]]:
    """Label of a product that is sold with several sizes of memory: the names that say which."""
    cards: dict[str, list[tuple[int, str]]] = {}
    for variant in memory_variants():
        if variant.differs == "size":
            row = product_rows()[variant.product]
            whole = cards.setdefault(variant.product, [(row.nvml_mib or row.cuda_mib, row.aliases[0])])
            whole.append((variant.nvml_mib, variant.aliases[0]))
    return {product: tuple(name for _, name in sorted(sizes)) for product, sizes in cards.items()}


@lru_cache(maxsize=1)
def _questions() -> dict[str, tuple[str, ...]]:
    """Every spelling that leaves the size of the memory open: the names that say which."""
    found: dict[str, tuple[str, ...]] = {}
    for product, names in _sizes().items():
        row = product_rows()[product]
        for spelling in (product, *row.aliases[1:]):
            if not _SIZED.search(spelling):
                found[_key(spelling)] = names
    found |= {_key(spelling): names for spelling, names in SOLD_IN_SIZES.items()}
    return {key: names for key, names in found.items() if _index().get(key, None) is None or _meant(key, names)}


def _meant(key: str, names: tuple[str, ...]) -> bool:
    """Whether the spelling means one of the cards that ``names`` tell apart, not a card of its own (``H100``)."""
    return _index()[key].product in {_index()[_key(name)].product for name in names}


def is_sold_in_sizes(label: str) -> bool:
    """Whether the label stands for cards with several sizes of memory."""
    return label.strip().replace(" ", "-") in _sizes()


def means(name: str, gpu: GPUFacts) -> bool:
    """Whether ``name`` means that GPU; a name that leaves the size of the memory open means each of them.

    >>> means("RTX-4060-Ti", find_gpu("RTX-4060-Ti-8GB")), means("RTX-4060-Ti-16GB", find_gpu("RTX-4060-Ti-8GB"))
    (True, False)
    """
    try:
        meant = [find_gpu(each) for each in _questions().get(_key(name), (name,))]
    except VlmOperatorError:
        return False
    return any(
        each.label == gpu.label
        and (each.product not in _sizes() or abs(each.total_bytes - gpu.total_bytes) <= _SAME_SIZE_BYTES)
        for each in meant
    )


def all_gpus() -> tuple[GPUFacts, ...]:
    """Every product, in the order of the catalogue; one that is sold in several sizes once for each."""
    found: list[GPUFacts] = []
    for row in products():
        found.append(_by_label()[row.product])
        found += [
            _variant_facts(variant)
            for variant in memory_variants()
            if variant.product == row.product and variant.differs == "size"
        ]
    return tuple(found)


def aliases_of(gpu: GPUFacts) -> tuple[str, ...]:
    """Short names of a product, or of the card with that size of memory."""
    variant = _variant_of(gpu)
    row = product_rows().get(gpu.product)
    return variant.aliases if variant else row.aliases if row else ()


def origin_of(gpu: GPUFacts) -> tuple[str, str]:
    """(``read`` or ``inferred``, what printed the figure or what it is inferred from) of CUDA's total."""
    variant = _variant_of(gpu)
    row = product_rows().get(gpu.product)
    if variant is not None:
        return variant.cuda_basis, ""
    return (row.cuda_basis, row.source) if row else ("inferred", "")


def _variant_of(gpu: GPUFacts) -> MemoryVariant | None:
    """The variant that those facts are of, None for the product as it is listed."""
    listed = _by_label().get(gpu.product)
    if listed is None or listed.total_bytes == gpu.total_bytes:
        return None
    return next(
        (
            variant
            for variant in memory_variants()
            if variant.product == gpu.product and _variant_facts(variant).total_bytes == gpu.total_bytes
        ),
        None,
    )


def memory_variant(product: str, nvml_total_bytes: int) -> GPUFacts | None:
    """Facts of the variant of ``product`` with that NVML total, None where none is known."""
    for variant in memory_variants():
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
        UnknownFact: no such product, the message names the closest ones; or the product is sold with several sizes of
            memory and the name leaves open which, the hint lists them.

    >>> find_gpu("rtx 5090").product
    'NVIDIA-GeForce-RTX-5090'
    """

    def named(text: str) -> GPUFacts | None:
        sizes = _questions().get(_key(text))
        if sizes is not None:
            raise _which_size(name, sizes, "name the size")
        return _index().get(_key(text))

    return _found(name, named)


def labelled_gpu(label: str, nvml_total_bytes: int | None) -> GPUFacts:
    """The product of a node's label or of NVML's name; the reader applies the memory that came with it.

    Args:
        label: value of the label, or NVML's name.
        nvml_total_bytes: the memory that was read with it, None where none was.

    Raises:
        InputError: an empty label.
        UnknownFact: no such product; or no memory was read, and the label stands for several sizes.
    """

    def named(text: str) -> GPUFacts | None:
        spelled = text.replace(" ", "-")
        sizes = _sizes().get(spelled)
        if sizes is not None and nvml_total_bytes is None:
            raise _which_size(label, sizes, "no memory was read that says which; name the size")
        return _by_label().get(spelled) or _index().get(_key(text))

    return _found(label, named)


def _which_size(name: str, sizes: tuple[str, ...], remedy: str) -> UnknownFact:
    return UnknownFact(
        f"gpu: {name.strip()[:60]!r} is sold with several sizes of memory",
        field="gpu",
        hint=f"{remedy}: {', '.join(sizes[:-1])} or {sizes[-1]}; or give CUDA's total with --gpu-memory SIZE",
    )


def _found(name: str, named: Callable[[str], GPUFacts | None]) -> GPUFacts:
    """What ``named`` makes of the name without its suffixes, which are then applied."""
    text = name.strip()
    if not text:
        raise InputError("gpu: the name is empty", field="gpu", hint="list the known products with: vlmctl gpus")
    shared = _SHARED_SUFFIX.search(text)
    if shared:
        text = text[: shared.start()]
    slice_match = _MIG_SUFFIX.search(text)
    if slice_match:
        text = text[: slice_match.start()]
    gpu = named(text)
    if gpu is None:
        raise UnknownFact(
            f"gpu: {name.strip()[:60]!r} is not a known product{_close(text)}",
            field="gpu",
            hint="list the known products with: vlmctl gpus; or give CUDA's total with --gpu-memory SIZE",
        )
    if slice_match:
        gpu = slice_of(gpu, slice_match[1])
    return shared_gpu(gpu) if shared else gpu


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

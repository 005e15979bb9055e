"""Read how a checkpoint stores quantised weights from ``quantization_config``, method by method.

Sources: vLLM 0.32, ``model_executor/layers/quantization/``: ``fp8.py``, ``fbgemm_fp8.py``, ``auto_awq.py``,
``auto_gptq.py``, ``compressed_tensors/``, ``modelopt.py``, ``mxfp4.py``; ``bitsandbytes.py`` of 0.25; ``inc``
(AutoRound). What a method cannot mean is refused, never approximated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Quantization
from vlm_operator.model.weights.checkpoint_names import vllm_name
from vlm_operator.model.weights.quark import quark

NVFP4: Final = Quantization("modelopt", 4, group_size=16, scale_bytes=1, scalars=3)
"""Packed 4-bit weights, an FP8 scale each 16, a global scale, an input scale and their product."""

MODELOPT_STORAGE: Final[dict[str, Quantization]] = {
    "FP8": Quantization("modelopt", 8, activation_scheme="static", scalars=1),
    "FP8_PER_CHANNEL_PER_TOKEN": Quantization("modelopt", 8, group_size=-1),
    "FP8_PB_WO": Quantization("modelopt", 8, block_shape=(128, 128)),
    "NVFP4": NVFP4,
    "W4A16_NVFP4": NVFP4,
    "MXFP8": Quantization("modelopt", 8, group_size=32, scale_bytes=1),
}


def section_of(config: Mapping[str, Any]) -> Config | None:
    """The quantisation's section, wherever the config keeps it."""
    whole = Config(config)
    text = whole.section("text_config") if isinstance(config.get("text_config"), Mapping) else None
    for holder, key in ((whole, "quantization_config"), (whole, "compression_config"), (text, "quantization_config")):
        if holder is not None and holder.has(key) and holder.section(key).values:
            return holder.section(key)
    return None


def read_quantization(config: Mapping[str, Any]) -> Quantization | None:
    """How the checkpoint is quantised, or None where it is not.

    Raises:
        UnknownFact: a method, or an option of one, that is not known.
        InputError: a field is not what it should be.
    """
    section = section_of(config)
    if section is None:
        return None
    method = (section.text("quant_method") or "").lower().replace("compressed_tensors", "compressed-tensors")
    if _by_modelopt(section):
        method = "modelopt"
    if not method:
        return None  # vLLM builds such a model unquantised (0.32: ``ModelConfig._verify_quantization``)
    reader = READERS.get(method)
    if reader is None:
        raise _unknown(section, "quant_method", method or None)
    architectures = Config(config).items("architectures") or [""]
    architecture = str(architectures[0])
    read = reader(section)
    return replace(
        read,
        ignored=tuple(_renamed(name, architecture) for name in read.ignored),
        listed=tuple((_renamed(name, architecture), storage) for name, storage in read.listed),
    )


def _by_modelopt(section: Config) -> bool:
    """ModelOpt's older layout, which names the producer and nests the algorithm."""
    producer, nested = section.values.get("producer"), section.values.get("quantization")
    return (
        isinstance(producer, Mapping)
        and producer.get("name") == "modelopt"
        and isinstance(nested, Mapping)
        and bool(nested.get("quant_algo"))
    )


def _renamed(name: str, architecture: str) -> str:
    return name if name.startswith("re:") else vllm_name(name, architecture)


def _unknown(section: Config, key: str, value: object) -> UnknownFact:
    return UnknownFact(
        f"{section.field(key)}: {str(value)[:80]!r} is not known",
        field=section.field(key),
        hint="give a checkpoint directory, whose safetensors headers hold the exact weights",
    )


def _names(section: Config, *keys: str) -> tuple[str, ...]:
    for key in keys:
        names = section.items(key)
        if names:
            return tuple(str(name) for name in names)
    return ()


def _block(section: Config, key: str) -> tuple[int, int] | None:
    """Rows and columns of a block that shares a scale, or None where none is stated."""
    block = section.items(key)
    if block is None:
        return None
    if len(block) != 2 or not all(isinstance(side, int) and side > 0 for side in block):
        raise _unknown(section, key, block)
    return int(block[0]), int(block[1])


def _fp8(section: Config) -> Quantization:
    shape = _block(section, "weight_block_size")
    if section.has("store_dtype"):
        raise _unknown(section, "store_dtype", section.values["store_dtype"])
    scheme = section.text("activation_scheme", "dynamic")
    ignored = _names(section, "ignored_layers", "modules_to_not_convert")
    static = 1 if scheme == "static" else 0
    return Quantization("fp8", 8, block_shape=shape, ignored=ignored, activation_scheme=scheme, scalars=static)


def _fbgemm(section: Config) -> Quantization:
    ignored = _names(section, "modules_to_not_convert")
    return Quantization("fbgemm_fp8", 8, group_size=-1, ignored=ignored, activation_scheme="dynamic")


def _awq(section: Config) -> Quantization:
    bits = section.integer("bits", section.integer("w_bit", 4))
    group = section.integer("group_size", section.integer("q_group_size", 128, least=-1), least=-1)
    version = (section.text("version") or "gemm").lower()
    if bits not in {4, 8} or version not in {"gemm", "gemv"}:
        raise _unknown(section, "version" if bits in {4, 8} else "bits", version if bits in {4, 8} else bits)
    ignored = _names(section, "modules_to_not_convert")
    return Quantization(
        "awq",
        bits,
        group,
        scale_bytes=0,
        zero_points=section.boolean("zero_point", True),
        ignored=ignored,
        head=section.boolean("lm_head", False),
        layers_only=not ignored,
    )


def _gptq(section: Config) -> Quantization:
    bits = section.integer("bits")
    if bits not in {2, 3, 4, 8}:
        raise _unknown(section, "bits", bits)
    group = section.integer("group_size", least=-1)
    plain = Quantization(
        "gptq",
        bits,
        group,
        scale_bytes=0,
        zero_points=not section.boolean("sym", True),
        # with one group a channel an order changes nothing, and no index is kept
        reordered=section.boolean("desc_act", False) and group > 0,
        head=section.boolean("lm_head", False),
        layers_only=True,
    )
    ignored, listed = _gptq_rules(section.section("dynamic"), plain)
    return replace(plain, ignored=ignored, listed=listed, only=_gptq_modules(section))


def _gptq_rules(dynamic: Config, plain: Quantization) -> tuple[tuple[str, ...], tuple[tuple[str, Quantization], ...]]:
    """GPTQModel's rules: a pattern that begins ``-:`` leaves a module alone, another stores it in its own way."""
    ignored: list[str] = []
    listed: list[tuple[str, Quantization]] = []
    for pattern in dynamic.values:
        if pattern.startswith("-:"):
            if listed:
                raise _unknown(dynamic, pattern, "a rule that leaves modules alone after one that does not")
            ignored.append(f"re:{pattern[2:]}")
            continue
        rule = dynamic.section(pattern)
        bits, group = rule.integer("bits", plain.weight_bits), rule.integer("group_size", plain.group_size, least=-1)
        if bits not in {2, 3, 4, 8}:
            raise _unknown(rule, "bits", bits)
        symmetric = rule.boolean("sym", not plain.zero_points)
        storage = replace(plain, weight_bits=bits, group_size=group, zero_points=not symmetric)
        listed.append((f"re:{pattern.removeprefix('+:')}", storage))
    return tuple(ignored), tuple(listed)


def _gptq_modules(section: Config) -> tuple[str, ...]:
    """Parts of names that alone are quantised, where the checkpoint lists them."""
    names: list[str] = []
    for entry in section.items("modules_in_block_to_quantize") or ():
        names += [str(name) for name in entry] if isinstance(entry, list | tuple) else [str(entry)]
    return tuple(names)


def _compressed_tensors(section: Config) -> Quantization:
    if section.has("sparsity_config") and section.section("sparsity_config").text("format", "dense") != "dense":
        raise _unknown(section, "sparsity_config.format", section.section("sparsity_config").values.get("format"))
    listed: list[tuple[str, Quantization]] = []
    general: Quantization | None = None
    groups = section.section("config_groups")
    if not groups.values:
        raise _unknown(section, "config_groups", None)
    for key in groups.values:
        group = groups.section(key)
        storage = _compressed_storage(group, group.text("format") or section.text("format") or "")
        for target in _names(group, "targets") or ("Linear",):
            if target == "Linear":
                general = storage
            else:
                listed.append((target, storage))
    ignored = _names(section, "ignore")
    base = general or (listed[0][1] if listed else None)
    if base is None:
        raise _unknown(section, "config_groups", None)
    return replace(base, ignored=ignored, listed=tuple(listed), listed_only=general is None)


def _compressed_storage(group: Config, layout: str) -> Quantization:
    method, weights = "compressed-tensors", group.section("weights")
    bits, kind = weights.integer("num_bits"), weights.text("type", "int")
    strategy = weights.text("strategy") or ("group" if weights.has("group_size") else "tensor")
    size = weights.integer("group_size", 0, least=-1)
    activations = group.section("input_activations").values
    static = 1 if activations and not activations.get("dynamic", False) else 0
    packed = "pack" in layout or (kind == "int" and not activations)
    if kind == "float" and bits == 4:
        if size == 32:
            return Quantization(method, 4, 32, scale_bytes=1)
        return Quantization(method, 4, size or 16, scale_bytes=1, scalars=2 + static)
    if strategy == "block":
        return Quantization(method, bits, block_shape=_block(weights, "block_structure") or (128, 128))
    groups = {"tensor": 0, "channel": -1, "group": size}
    if strategy not in groups or bits not in {4, 8}:
        raise _unknown(weights, "strategy" if bits in {4, 8} else "num_bits", strategy if bits in {4, 8} else bits)
    if strategy == "group" and size == 0:
        raise _unknown(weights, "group_size", size)
    return Quantization(
        method,
        bits,
        groups[strategy],
        scale_bytes=0 if packed else 4,
        zero_points=packed and not weights.boolean("symmetric", True),
        activation_scheme="static" if static else "dynamic" if activations else None,
        scalars=4 if packed else static,  # weight_shape: two int64
        reordered=weights.values.get("actorder") in {"group", True},
    )


def _modelopt(section: Config) -> Quantization:
    inner = section.section("quantization") if section.has("quantization") else section
    algorithm = str(inner.text("quant_algo") or "").upper()
    ignored = _names(inner, "exclude_modules", "ignore")
    patterns: list[str] = []
    for name in ignored:
        plain = len(name) >= 2 and name.endswith("*") and not name.endswith(".*")
        patterns += [name[:-1], f"{name[:-1]}.*"] if plain else [name]
    if algorithm == "MIXED_PRECISION":
        listed = []
        for name, entry in inner.section("quantized_layers").values.items():
            wanted = str(entry.get("quant_algo", "") if isinstance(entry, Mapping) else "").upper()
            if wanted not in MODELOPT_STORAGE:
                raise _unknown(inner, "quantized_layers", wanted)
            listed.append((str(name), MODELOPT_STORAGE[wanted]))
        if not listed:
            raise _unknown(inner, "quantized_layers", None)
        return replace(NVFP4, ignored=tuple(patterns), listed=tuple(listed), listed_only=True, head=True)
    if algorithm not in MODELOPT_STORAGE:
        raise _unknown(inner, "quant_algo", algorithm or None)
    return replace(MODELOPT_STORAGE[algorithm], ignored=tuple(patterns), head=True)


def _mxfp8(section: Config) -> Quantization:
    """MiniMax's own tag for what ModelOpt calls MXFP8 (0.24 to 0.33: ``ModelOptMxFp8Config.from_config``)."""
    return replace(MODELOPT_STORAGE["MXFP8"], method="mxfp8", ignored=_names(section, "ignored_layers"), head=True)


def _mxfp4(section: Config) -> Quantization:
    ignored = _names(section, "modules_to_not_convert")
    return Quantization("mxfp4", 4, 32, scale_bytes=1, ignored=ignored, experts_only=True)


def _experts_int8(_section: Config) -> Quantization:
    return Quantization("experts_int8", 8, group_size=-1, experts_only=True)


def _bitsandbytes(section: Config) -> Quantization:
    ignored = _names(section, "llm_int8_skip_modules")
    if section.boolean("load_in_8bit", False) or section.boolean("_load_in_8bit", False):
        return Quantization("bitsandbytes", 8, group_size=-1, ignored=ignored)
    return in_flight_bitsandbytes(ignored)


def in_flight_bitsandbytes(ignored: tuple[str, ...] = ()) -> Quantization:
    """4-bit bitsandbytes: packed in blocks of 64, nested scales unpacked to fp32 when loaded."""
    return Quantization("bitsandbytes", 4, group_size=64, ignored=ignored)


def _auto_round(section: Config) -> Quantization:
    layout = section.text("packing_format", "auto_round:auto_gptq") or ""
    if "gptq" not in layout and "awq" not in layout:
        raise _unknown(section, "packing_format", layout)
    ignored: list[str] = []
    if section.text("data_type", "int") != "int":
        raise _unknown(section, "data_type", section.text("data_type"))
    extra = section.section("extra_config")
    for name, entry in extra.values.items():
        if not isinstance(entry, Mapping) or Config(entry, extra.field(name)).integer("bits", 1) < 16:
            raise _unknown(section, "extra_config", name)
        ignored.append(str(name))
    bits = section.integer("bits")
    if bits not in {2, 4, 8}:
        raise _unknown(section, "bits", bits)
    return Quantization(
        "auto-round",
        bits,
        section.integer("group_size", least=-1),
        scale_bytes=0,
        zero_points=not section.boolean("sym", True),
        ignored=tuple(ignored),
        layers_only=True,
    )


READERS: Final[dict[str, Callable[[Config], Quantization]]] = {
    "fp8": _fp8,
    "fbgemm_fp8": _fbgemm,
    "awq": _awq,
    "awq_marlin": _awq,
    "gptq": _gptq,
    "gptq_marlin": _gptq,
    "compressed-tensors": _compressed_tensors,
    "modelopt": _modelopt,
    "modelopt_fp4": _modelopt,
    "modelopt_mixed": _modelopt,
    "mxfp4": _mxfp4,
    "mxfp8": _mxfp8,
    "bitsandbytes": _bitsandbytes,
    "experts_int8": _experts_int8,
    "quark": quark,
    "auto-round": _auto_round,
    "intel/auto-round": _auto_round,
}
"""Readers by ``quant_method``."""

"""``vlmctl capacity``: what vLLM's KV cache of a model looks like and holds. Arithmetic only; no GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from vlm_operator.cli import completions
from vlm_operator.cli.output import emit, output_option
from vlm_operator.engine.flag_values import whole_number
from vlm_operator.engine.kv_cache_rules import DEFAULT_BATCHED_TOKENS, DEFAULT_BLOCK_SIZE
from vlm_operator.engine.settings import FLAGS, EngineSettings
from vlm_operator.engine.version import DEFAULT, EngineVersion, require_known

if TYPE_CHECKING:
    from vlm_operator.capacity.kv import KVLayout
    from vlm_operator.model.facts import ModelFacts


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("model", shell_complete=completions.models)
@click.option(
    "--vllm-version", metavar="V", shell_complete=completions.releases, help=f"vLLM release.  [default: {DEFAULT}]"
)
@click.option(
    "-tp", "--tensor-parallel-size", type=int, default=1, show_default=True, help="Ranks that share each layer."
)
@click.option("--pipeline-parallel-size", type=int, default=1, show_default=True, help="Stages that share the layers.")
@click.option("--kv-cache-dtype", metavar="D", default="auto", show_default=True, help="auto, fp8, bfloat16 …")
@click.option("--dtype", type=click.Choice(FLAGS["dtype"].choices), default="auto", show_default=True, help="Elements.")
@click.option("--quantization", "-q", help="Quantise while loading (fp8, …).  [default: as the checkpoint says]")
@click.option(
    "--block-size",
    type=int,
    help=f"Tokens of a KV-cache block.  [default: {DEFAULT_BLOCK_SIZE}, re-aligned for hybrids]",
)
@click.option(
    "--max-num-batched-tokens", metavar="TOKENS", help=f"Tokens of one batch.  [default: {DEFAULT_BATCHED_TOKENS}]"
)
@click.option("--async-scheduling/--no-async-scheduling", default=False, help="Two batches in flight.  [default: no]")
@click.option(
    "--enable-prefix-caching/--no-enable-prefix-caching",
    default=None,
    help="For hybrids with recurrent layers.  [default: as that release does]",
)
@click.option("--hf-overrides", metavar="JSON", help="Fields of config.json to replace, as vLLM's flag of that name.")
@click.option("--max-model-len", multiple=True, metavar="TOKENS", help="A request of so many tokens; repeatable.")
@click.option("--kv-cache-memory", multiple=True, metavar="SIZE", help="A container such as 9GiB; repeatable.")
@click.option("--offline", is_flag=True, help="Never ask the Hugging Face Hub.")
@output_option
def command(**values: Any) -> None:
    """What vLLM's KV cache of MODEL costs per block, what a request needs, what a container holds.

    MODEL is a Hugging Face id, a directory with a config.json, or a config.json. Figures are those of one
    tensor-parallel rank, exactly as that vLLM release computes them. Without --max-model-len and --kv-cache-memory, a
    few lengths and sizes are shown.
    """
    from vlm_operator.capacity.kv import kv_layout
    from vlm_operator.sources import load_model

    text, batch = values["vllm_version"], values["max_num_batched_tokens"]
    version = require_known(EngineVersion.parse(text)) if text else DEFAULT
    settings = EngineSettings(
        tensor_parallel_size=values["tensor_parallel_size"],
        pipeline_parallel_size=values["pipeline_parallel_size"],
        kv_cache_dtype=values["kv_cache_dtype"],
        dtype=values["dtype"],
        quantization=values["quantization"],
        block_size=values["block_size"],
        max_num_batched_tokens=None if batch is None else whole_number(batch, field="max-num-batched-tokens"),
        async_scheduling=values["async_scheduling"],
        enable_prefix_caching=values["enable_prefix_caching"],
    )
    lengths, containers = _lengths(values["max_model_len"]), _containers(values["kv_cache_memory"])
    overrides = _overrides(values["hf_overrides"])
    model = load_model(values["model"], offline=values["offline"], hf_overrides=overrides)
    layout = kv_layout(model, settings, version)
    if not lengths and not containers:
        lengths, containers = _shown_by_default(layout.derived_max_model_len)
    answer = {
        **_of_model(model, settings, version, layout),
        "requests": [{"maxModelLen": length, "neededBytes": layout.needed_bytes(length)} for length in lengths],
        "containers": [_container(layout, size) for size in containers],
    }
    emit(answer, values["output"], lambda: _print_table(answer))
    if model.kv_cache_dtype is not None and settings.kv_cache_dtype == "auto":
        click.echo(
            f"note: the checkpoint declares an {model.kv_cache_dtype} KV cache, which vLLM may take where the flag is "
            f"auto; --kv-cache-dtype {model.kv_cache_dtype} shows it",
            err=True,
        )


def _overrides(text: str | None) -> dict[str, Any] | None:
    if text is None:
        return None
    from vlm_operator.engine.flag_objects import parse_object  # most calls do without

    return parse_object(text, "hf-overrides")


def _lengths(given: tuple[str, ...]) -> tuple[int, ...]:
    from vlm_operator.errors import InputError

    lengths = tuple(whole_number(text, field="max-model-len") for text in given)
    for length in lengths:
        if not 1 <= length <= 2**40:
            raise InputError(f"max-model-len: {length} is not between 1 and 2^40 tokens", field="max-model-len")
    return lengths


def _containers(given: tuple[str, ...]) -> tuple[int, ...]:
    from vlm_operator.errors import InputError
    from vlm_operator.units import parse_bytes

    sizes = tuple(parse_bytes(size, field="kv-cache-memory") for size in given)
    for text, size in zip(given, sizes, strict=True):
        if text.strip().isdigit() and size < 2**20:  # nobody means so few bytes, but a unit is easily forgotten
            raise InputError(
                f"kv-cache-memory: {size} bytes hold nothing", field="kv-cache-memory", hint=f"did you mean {size}GiB?"
            )
    return sizes


def _shown_by_default(limit: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """A few round lengths up to the model's own, and a few sizes."""
    from vlm_operator.units import GIB

    lengths = tuple(length for length in (4096, 16384, 65536, 262144) if length < limit)
    return (*lengths, limit), (GIB, 4 * GIB, 16 * GIB)


def _of_model(model: ModelFacts, settings: EngineSettings, version: EngineVersion, layout: KVLayout) -> dict[str, Any]:
    return {
        "model": model.model,
        "architecture": model.architecture,
        "vllmVersion": str(version),
        "tensorParallelSize": settings.tensor_parallel_size,
        "pipelineParallelSize": settings.pipeline_parallel_size,
        "kvCacheDtype": settings.kv_cache_dtype,
        "blockSize": layout.block_size,
        "derivedMaxModelLen": layout.derived_max_model_len,
        "weights": _weights(model, settings, version),
        "kvGroups": [
            {
                "kind": group.kind,
                "layers": group.layers,
                "blockSize": group.block_size,
                "pageSizeBytes": group.page_size_bytes,
            }
            for group in layout.groups
        ],
        "bytesPerBlock": layout.bytes_per_block,
    }


def _weights(model: ModelFacts, settings: EngineSettings, version: EngineVersion) -> dict[str, Any]:
    """Bytes of weights on the rank; null with the reason where they are not known."""
    from vlm_operator.capacity.weights import weight_bytes
    from vlm_operator.errors import UnknownFact

    try:
        weights = weight_bytes(model, settings, version)
    except UnknownFact as unknown:
        return {"bytes": None, "source": None, "unknown": unknown.message}
    return {"bytes": weights.total, "source": weights.source}


def _container(layout: KVLayout, size: int) -> dict[str, Any]:
    longest = layout.longest_context(size, layout.derived_max_model_len)
    serves = longest > 0 and layout.groups
    return {
        "kvCacheBytes": size,
        "numBlocks": layout.num_blocks(size),
        "maxModelLen": longest,
        "capacityTokens": layout.capacity_tokens(size, longest) if serves else None,
        "concurrency": round(layout.concurrency(size, longest), 2) if serves else None,
    }


def _print_table(answer: dict[str, Any]) -> None:
    from vlm_operator.units import format_gib

    weights = answer["weights"]
    known = f"{format_gib(weights['bytes'])} a rank" if weights["bytes"] is not None else weights["unknown"]
    click.echo(f"{answer['model']}  {answer['architecture']}  vLLM {answer['vllmVersion']}")
    click.echo(f"context {answer['derivedMaxModelLen']:,} tokens  weights {known}")
    if not answer["kvGroups"]:
        click.echo("nothing is cached: any length fits")
        return
    click.echo(f"block {answer['blockSize']:,} tokens, {answer['bytesPerBlock']:,} bytes")
    _print_columns(
        ("GROUP", "LAYERS", "BLOCK", "PAGE BYTES"),
        [(g["kind"], f"{g['layers']:,}", f"{g['blockSize']:,}", f"{g['pageSizeBytes']:,}") for g in answer["kvGroups"]],
    )
    _print_columns(
        ("REQUEST", "NEEDS"), [(f"{r['maxModelLen']:,}", format_gib(r["neededBytes"])) for r in answer["requests"]]
    )
    _print_columns(
        ("KV CACHE", "BLOCKS", "LONGEST CONTEXT", "HOLDS TOKENS"),
        [
            (
                format_gib(c["kvCacheBytes"]),
                f"{c['numBlocks']:,}",
                f"{c['maxModelLen']:,}" if c["maxModelLen"] else "none starts",
                "-" if c["capacityTokens"] is None else f"{c['capacityTokens']:,}",
            )
            for c in answer["containers"]
        ],
    )


def _print_columns(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    """Columns as wide as their content, figures to the right; nothing where there are no rows."""
    if not rows:
        return
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    click.echo()
    for row in [header, *rows]:
        first, *others = (
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        click.echo("  ".join([first, *others]))

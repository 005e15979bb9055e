"""What does a model folder on this machine say? ``config.json``, and the safetensors headers where they are."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.json_document import LARGEST_CONFIG_BYTES, parse_object, read_object, unreadable
from vlm_operator.sources.safetensors import TensorHeader, read_headers

CONFIG_NAME: Final = "config.json"
QUANTIZATION_CONFIG_NAME: Final = "hf_quant_config.json"
"""Where ModelOpt before 0.31 keeps what it keeps in ``config.json`` since."""

_MISTRAL_CONFIG_NAME: Final = "params.json"
STANDARD_INPUT: Final = "-"


def load_path(name: str, *, hf_overrides: Mapping[str, Any] | None = None) -> ModelFacts:
    """Facts of a model directory, of a ``config.json`` alone, or of one on standard input (``-``).

    Raises:
        InputError: the folder has no config, or a file is not what it should be; the file is named.
        UnknownFact: the config describes a model whose layout is not known.
    """
    if name == STANDARD_INPUT:
        content = sys.stdin.buffer.read(LARGEST_CONFIG_BYTES + 1)
        if len(content) > LARGEST_CONFIG_BYTES:
            raise InputError(f"standard input holds more than the {LARGEST_CONFIG_BYTES:,} bytes that are read")
        config = parse_object(content, "standard input")
        return facts_of(config, None, model=name, source="config on standard input", hf_overrides=hf_overrides)
    path = Path(name).expanduser()
    try:
        is_directory = path.is_dir()
    except OSError as error:
        raise unreadable(path, error) from error
    if not is_directory:
        config = read_object(path)
        return facts_of(config, None, model=name, source=f"{path}", hf_overrides=hf_overrides)
    config = with_quantization(read_object(_config_in(path)), path)
    tensors = read_headers(path)
    source = f"{path / CONFIG_NAME}" + (f" and the headers of its {len(tensors):,} tensors" if tensors else "")
    return facts_of(config, tensors, model=name, source=source, hf_overrides=hf_overrides)


def _config_in(directory: Path) -> Path:
    config = directory / CONFIG_NAME
    if config.is_file():
        return config
    if config.is_symlink():
        raise InputError(f"{config} is a link to a file that is not there", field=str(config))
    if (directory / _MISTRAL_CONFIG_NAME).is_file():
        raise UnknownFact(
            f"{directory} describes its model in Mistral's own format ({_MISTRAL_CONFIG_NAME}) only",
            field=_MISTRAL_CONFIG_NAME,
            hint=f"put the {CONFIG_NAME} of the same model's Hugging Face format beside it",
        )
    raise InputError(
        f"{directory} has no {CONFIG_NAME}",
        field=CONFIG_NAME,
        hint="give the folder that holds the model's config.json, or a Hugging Face id (see vlmctl models)",
    )


def with_quantization(config: dict[str, Any], directory: Path) -> dict[str, Any]:
    """The config with the quantisation that a file of its own states, where ``config.json`` states none.

    Source: vLLM 0.32 ``transformers_utils/config.py``, ``get_config``.

    Raises:
        InputError: that file is not what it should be.
    """
    file = directory / QUANTIZATION_CONFIG_NAME
    if config.get("quantization_config") is not None or not file.is_file():
        return config
    return {**config, "quantization_config": read_object(file)}


def facts_of(
    config: Mapping[str, Any],
    tensors: Mapping[str, TensorHeader] | None,
    *,
    model: str,
    source: str,
    hf_overrides: Mapping[str, Any] | None = None,
) -> ModelFacts:
    """Facts of a config and, where they were read, the checkpoint's tensors.

    Raises:
        InputError: a field of the config is wrong.
        UnknownFact: the config describes a model whose layout is not known.
    """
    from vlm_operator.model.reader import read_model_facts

    return read_model_facts(config, model=model, source=source, hf_overrides=hf_overrides)

"""How a named model turns images and videos into tokens: from the facts that planning uses, wherever these were read.

Counting needs less of a model than planning. Where a config's layout is not known, its token rules may be, and for some
published models the built-in catalogue has only the fields that counting needs (``token_configs.json``, in the
publishers' own names). Both ways use the readers that planning uses, so that a model has one set of rules.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

from vlm_operator.errors import InputError, SourceUnavailable, UnknownFact, VlmOperatorError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.sources import directory, is_path, load_model
from vlm_operator.sources.model_files import ModelFiles

_CONFIGS: Final = Path(__file__).with_name("token_configs.json")


class TokenRules(NamedTuple):
    """Token rules of one model, and its longest context where that is known."""

    facts: MultimodalFacts
    context_tokens: int | None


def load_token_rules(name: str, *, offline: bool = False, hf_overrides: Mapping[str, Any] | None = None) -> TokenRules:
    """Token rules of the model that the user names, looked up as ``load_model`` does.

    Raises:
        InputError: a text model, or a file that is not what it should be.
        UnknownFact: the family's token arithmetic is not known.
        ModelNotFound, SourceUnavailable: as ``load_model``.
    """
    if is_path(name):
        files, source = directory.files_at(name)
        try:
            return _rules_of(files.facts(model=name, source=source, hf_overrides=hf_overrides), name)
        except (InputError, UnknownFact):  # a field that counting does not need
            return _without_layout(files, name, hf_overrides)
    try:
        return _rules_of(load_model(name, offline=offline, hf_overrides=hf_overrides), name)
    except SourceUnavailable:
        config = {known.lower(): config for known, config in reduced_configs().items()}.get(name.lower())
        if config is None:
            raise
        return _without_layout(ModelFiles(config, {}), name, hf_overrides)


def _rules_of(model: ModelFacts, name: str) -> TokenRules:
    if isinstance(model.multimodal, MultimodalFacts):
        return TokenRules(model.multimodal, model.derived_max_model_len)
    if model.multimodal_unknown:
        raise UnknownFact(model.multimodal_unknown, field="model_type")
    raise _text_model(name)


def _without_layout(files: ModelFiles, name: str, hf_overrides: Mapping[str, Any] | None) -> TokenRules:
    rules = files.token_rules(hf_overrides)
    if rules is None:
        raise _text_model(name)
    return TokenRules(rules, _context_of(files.overridden(hf_overrides)))


def _context_of(config: Mapping[str, Any]) -> int | None:
    """The context vLLM derives from the config; the plain field where the rest of the layout is not known."""
    from vlm_operator.model.config import Config
    from vlm_operator.model.context_length import derived_context
    from vlm_operator.model.multimodal.families import text_config
    from vlm_operator.model.text_config import TextConfig, architecture_of

    whole = Config(config)
    try:
        return derived_context(TextConfig(whole, architecture_of(config))).tokens
    except VlmOperatorError:
        for part in (text_config(whole), whole):
            if part.has("max_position_embeddings"):
                return part.integer("max_position_embeddings")
        return None


def _text_model(name: str) -> InputError:
    return InputError(
        f"model: {name} supports neither images nor videos", field="model", hint="count text with the model's tokenizer"
    )


@functools.cache
def reduced_configs() -> Mapping[str, Mapping[str, Any]]:
    """By Hugging Face id: the fields of ``config.json`` that counting needs, and the context length."""
    listed: dict[str, dict[str, Any]] = json.loads(_CONFIGS.read_bytes())
    return listed

"""The files that hold a model's facts: its config and the small files beside it, whatever source they come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.json_document import read_object
from vlm_operator.sources.safetensors import TensorHeader

CONFIG_NAME: Final = "config.json"
QUANTIZATION_NAME: Final = "hf_quant_config.json"
"""Where ModelOpt before 0.31 keeps what it keeps in ``config.json`` since."""
PREPROCESSOR_NAMES: Final = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")

MODULES_NAME: Final = "modules.json"
"""By which vLLM knows a model of sentence-transformers, to serve embeddings (0.32: ``transformers_utils/config.py``,
``get_pooling_config``)."""

if TYPE_CHECKING:
    from vlm_operator.model.processors import MultimodalFacts

_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """What a model's files say, parsed.

    Attributes:
        config: ``config.json``.
        preprocessors: the preprocessor files that are there, by name.
        tensors: the checkpoint's tensors from its safetensors headers, or None where no checkpoint was read.
        pooling: whether it is a model of sentence-transformers.
    """

    config: _Object
    preprocessors: Mapping[str, _Object]
    tensors: Mapping[str, TensorHeader] | None = None
    pooling: bool = False

    @classmethod
    def read(cls, get: Callable[[str], _Object], names: frozenset[str]) -> ModelFiles:
        """Read the files of a model.

        Where ``config.json`` states no quantisation, a file of its own may: as vLLM 0.32
        ``transformers_utils/config.py``, ``get_config`` does.

        Args:
            get: gives the object that the file of a name holds.
            names: the files that there are; ``config.json`` is one of them.

        Raises:
            InputError: what ``get`` raises.
        """
        config = get(CONFIG_NAME)
        if config.get("quantization_config") is None and QUANTIZATION_NAME in names:
            config = {**config, "quantization_config": get(QUANTIZATION_NAME)}
        preprocessors: dict[str, _Object] = {name: get(name) for name in PREPROCESSOR_NAMES if name in names}
        return cls(config, preprocessors, pooling=MODULES_NAME in names)

    @classmethod
    def in_folder(cls, folder: Path) -> ModelFiles:
        """The files of a folder that holds a ``config.json``, without its checkpoint.

        Raises:
            InputError: a file is not what it should be; it is named.
        """
        companions = (QUANTIZATION_NAME, MODULES_NAME, *PREPROCESSOR_NAMES)
        names = frozenset(name for name in companions if (folder / name).is_file())
        return cls.read(lambda name: read_object(folder / name), names)

    def with_tensors(self, tensors: Mapping[str, TensorHeader] | None) -> ModelFiles:
        """The same with these tensors."""
        return replace(self, tensors=tensors)

    @property
    def read_from(self) -> str:
        """What was read, in words."""
        files = ", ".join((CONFIG_NAME, *self.preprocessors))
        return f"{files}, headers of {len(self.tensors):,} tensors" if self.tensors else f"{files}, no weights"

    def facts(self, *, model: str, source: str, hf_overrides: _Object | None = None) -> ModelFacts:
        """The facts that the files hold.

        Raises:
            InputError: a field of the config is wrong.
            UnknownFact: the config describes a model whose layout is not known.
        """
        from vlm_operator.model.reader import read_model_facts

        facts = read_model_facts(self.config, model=model, source=source, hf_overrides=hf_overrides)
        if self.pooling:
            facts = replace(facts, pooling=True)
        if self.tensors:
            from vlm_operator.model.checkpoint import checkpoint_from_headers

            headers = checkpoint_from_headers([self.tensors], layers=facts.text.layers)
            facts = replace(facts, checkpoint_bytes=headers)
        return self._with_token_rules(facts, hf_overrides) if self.preprocessors else facts

    def overridden(self, hf_overrides: _Object | None) -> _Object:
        """The config with ``--hf-overrides`` applied."""
        from vlm_operator.model.reader import merged

        return merged(self.config, hf_overrides or {})

    def token_rules(self, hf_overrides: _Object | None = None) -> MultimodalFacts | None:
        """How images and videos become tokens, by the config and the preprocessor files; None for a text model.

        Raises:
            InputError: a field is wrong.
            UnknownFact: the family's count is not known.
        """
        from vlm_operator.model.multimodal import read_multimodal

        image, video, processor = (self.preprocessors.get(name) for name in PREPROCESSOR_NAMES)
        return read_multimodal(self.overridden(hf_overrides), image, video_preprocessor=video, processor=processor)

    def _with_token_rules(self, facts: ModelFacts, hf_overrides: _Object | None) -> ModelFacts:
        """Token rules by the model's own preprocessor files, in place of its family's published values."""
        try:
            return replace(facts, multimodal=self.token_rules(hf_overrides))
        except UnknownFact:
            return facts  # which says so

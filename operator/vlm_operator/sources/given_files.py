"""Facts from a model's files that a VLMDeployment gives: ``spec.model.config``, inline or by a ConfigMap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.json_document import parse_object
from vlm_operator.sources.model_files import CONFIG_NAME, PREPROCESSOR_NAMES, QUANTIZATION_NAME, ModelFiles

GIVEN: Final = "spec.model.config"
_READ: Final = frozenset({CONFIG_NAME, QUANTIZATION_NAME, *PREPROCESSOR_NAMES})


def facts_of_files(
    files: Mapping[str, Mapping[str, Any]],
    *,
    model: str,
    where: str = GIVEN,
    hf_overrides: Mapping[str, Any] | None = None,
) -> ModelFacts:
    """The facts of one model.

    Args:
        files: what each file holds, by its name.
        model: the id or path that is served.
        where: the files' place, for explanations and errors.
        hf_overrides: as vLLM's ``--hf-overrides``.

    Raises:
        InputError: a field is wrong; the place is named.
        UnknownFact: the config describes a model whose layout is not known.
    """
    try:
        found = ModelFiles.read(lambda name: files[name], frozenset(files))
        return found.facts(model=model, source=f"{found.read_from}, given in {where}", hf_overrides=hf_overrides)
    except InputError as error:
        raise InputError(f"{where}: {error.message}", field=error.field, hint=error.hint) from error
    except UnknownFact as error:
        raise UnknownFact(f"{where}: {error.message}", field=error.field, hint=error.hint) from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UnknownFact(
            f"{where}: the config cannot be read: {type(error).__name__}: {error}", field="model.config"
        ) from error


def files_of_config_map(data: Mapping[str, str], where: str) -> dict[str, dict[str, Any]]:
    """What the keys of a ConfigMap hold: JSON objects; other files are passed over.

    Args:
        where: the ConfigMap, for errors.

    Raises:
        InputError: there is no config.json, or a file that is read is no JSON object.
    """
    if CONFIG_NAME not in data:
        raise InputError(
            f"{where} has no key {CONFIG_NAME}",
            field="model.config.configMapRef",
            hint="kubectl create configmap NAME --from-file=config.json",
        )
    return {name: parse_object(data[name].encode(), f"{where}, {name}") for name in data if name in _READ}

"""Derive the facts of an upload from its name: a model of the catalogue, and a quantisation scheme.

The last resort of ``load_model``: nothing on this machine knows the id, and the Hub cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from vlm_operator.model.derived import derived_facts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.upload_schemes import FAITHFUL_UPLOADERS, NamedUpload, named_uploads
from vlm_operator.sources import catalogue
from vlm_operator.sources.catalogue import CatalogueEntry

_UNQUANTISED = ("", "-BF16")
"""What a publisher's unquantised checkpoint may end with where the quantised one has the plain name."""


_EDITORS_PREFIX = re.compile(r"^huihui-", re.IGNORECASE)
"""What an uploader puts before the names of models that it edits without a change of shape."""


def derive(name: str) -> ModelFacts | None:
    """Facts of the upload that the name describes, or None where it names no model of the catalogue.

    ``ModelFacts.source`` says from what they are derived; ``ModelFacts.derived`` is set unless the upload is an
    unchanged copy by an uploader who makes such copies.

    Raises:
        UnknownFact: the name describes an upload whose weights do not follow from the base model.
    """
    owner = name.rpartition("/")[0]
    for upload in _readings(name):
        entry = _base(upload.base, owner, _UNQUANTISED)
        if entry is not None:
            return _of_upload(name, upload, entry)
    if owner.lower() not in FAITHFUL_UPLOADERS:
        return None  # other owners keep the name of what they quantised or trained anew
    entry = _base(name.rpartition("/")[2], owner)
    return None if entry is None else _copy(name, entry)


def _of_upload(name: str, upload: NamedUpload, entry: CatalogueEntry) -> ModelFacts:
    base, scheme = catalogue.load(entry), upload.scheme
    facts = derived_facts(base, scheme, upload.quantization_config, model=name)
    caution = f"; {scheme.caution}" if scheme.caution else ""
    return _marked(facts, f"{entry.id} x {scheme.words}; the checkpoint's own config was not read{caution}")


def _copy(name: str, entry: CatalogueEntry) -> ModelFacts:
    """The model under the name of an owner who is known for unchanged copies."""
    facts = replace(catalogue.load(entry), model=name)
    return replace(facts, source=f"derived: a copy of {entry.id} ({facts.source})")


def _marked(facts: ModelFacts, derived: str) -> ModelFacts:
    return replace(facts, source=f"derived: {derived} ({facts.source})", derived=derived)


def _readings(name: str) -> Iterator[NamedUpload]:
    for upload in named_uploads(name):
        yield upload
        # an edited model is quantised by others under the edited name: NAME-abliterated-AWQ
        edited = next((inner for inner in named_uploads(upload.base) if inner.scheme.config is None), None)
        if edited is not None:
            yield replace(upload, base=edited.base)


def _base(short: str, owner: str, endings: tuple[str, ...] = ("",)) -> CatalogueEntry | None:
    """The entry of that name: unquantised before quantised, its owner's own before others'."""
    short = _EDITORS_PREFIX.sub("", short)
    named = [entry for ending in endings for entry in catalogue.named(f"{short}{ending}")]
    return min(named, key=lambda entry: (entry.quantization is not None, entry.owner != owner, entry.id), default=None)

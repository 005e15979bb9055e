"""Measured start-ups in a file, as ``vlmctl observations export`` prints them."""

from __future__ import annotations

from vlm_operator.cli.yaml_file import read_documents
from vlm_operator.lifecycle.observations import ObservationKey, evidence_of, read_observations
from vlm_operator.planning.evidence import Evidence


def evidence_from(path: str, key: ObservationKey) -> Evidence:
    """What the file proves about that model on that GPU with that release.

    Raises:
        InputError: the file cannot be read or holds something else.
    """
    return evidence_of(read_observations(read_documents(path, "observations")), key)

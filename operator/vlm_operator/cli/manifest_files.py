"""VLMDeployments in several files and folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.cli.model_config import with_config_maps
from vlm_operator.cli.yaml_file import DEPLOYMENT_LINES, read_documents
from vlm_operator.errors import InputError, VlmOperatorError

SUFFIXES: Final = frozenset({".yaml", ".yml", ".json"})


class Found(NamedTuple):
    """A VLMDeployment with the file that holds it."""

    file: str
    deployment: VLMDeployment

    @property
    def key(self) -> tuple[str, str]:
        """Namespace and name: what it is in a cluster."""
        metadata = self.deployment.metadata
        return metadata.namespace or "default", metadata.name


class Broken(NamedTuple):
    """A file that holds a VLMDeployment that breaks a rule, or that cannot be read."""

    file: str
    error: VlmOperatorError


def files_of(paths: Iterable[str]) -> Iterator[tuple[str, bool]]:
    """Every file that the paths mean, with whether it was named itself; folders in order of their names, with those
    below them, without hidden ones.

    Raises:
        InputError: a folder without such a file.
    """
    for path in paths:
        folder = Path(path)
        if path == "-" or not folder.is_dir():
            yield path, True
            continue
        files = sorted(
            file
            for file in folder.rglob("*")
            if file.suffix in SUFFIXES
            and file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(folder).parts)
        )
        if not files:
            raise InputError(
                f"filename: {path} holds no YAML or JSON file", field="filename", hint="name a file, or another folder"
            )
        yield from ((str(file), False) for file in files)


def deployments_in(file: str, *, named: bool = True, beside: Iterable[str] = ()) -> list[VLMDeployment]:
    """Every VLMDeployment of a file; other kinds are passed over, and in a file of a folder a patch of one, too.

    Args:
        beside: further files, in which a ConfigMap with the model's config is looked for.

    Raises:
        InputError: one breaks a rule, or a file that was named holds none.
    """
    documents = read_documents(file)
    found = [document for document in documents if _is_deployment(document)]
    if named and not found:
        raise InputError(f"filename: {file} holds no VLMDeployment", field="filename", hint=DEPLOYMENT_LINES)
    whole = [document for document in found if named or "model" in (document.get("spec") or {})]
    deployments = [parse(VLMDeployment, document) for document in whole]
    if any(_awaits_config_map(deployment) for deployment in deployments):
        documents = [*documents, *(each for other in beside if other != file for each in _readable(other))]
    return [with_config_maps(deployment, documents) for deployment in deployments]


def _awaits_config_map(deployment: VLMDeployment) -> bool:
    config = deployment.spec.model.config
    return config is not None and config.config_map_ref is not None


def _readable(file: str) -> list[Any]:
    """Its documents; a file that cannot be read is told of by whoever looks for VLMDeployments in it."""
    try:
        return read_documents(file)
    except VlmOperatorError:
        return []


def _is_deployment(document: object) -> bool:
    return isinstance(document, dict) and document.get("kind") == "VLMDeployment"


def find_deployments(paths: Iterable[str]) -> Iterator[Found | Broken]:
    """Every VLMDeployment of files and folders, and every file that holds a wrong one.

    Raises:
        InputError: there is none at all.
    """
    seen: dict[tuple[str, str], str] = {}
    several, count = tuple(paths), 0
    files = tuple(files_of(several))
    for file, named in files:
        try:
            deployments = deployments_in(file, named=named, beside=[other for other, _ in files if other != "-"])
        except VlmOperatorError as error:
            count += 1
            yield Broken(file, error)
            continue
        for found in (Found(file, deployment) for deployment in deployments):
            count += 1
            if found.key in seen:
                yield Broken(file, _twice(found, seen[found.key]))
                continue
            seen[found.key] = file
            yield found
    if not count:
        raise InputError(
            f"filename: {', '.join(several)}: no VLMDeployment", field="filename", hint="kind: VLMDeployment"
        )


def _twice(found: Found, before: str) -> InputError:
    return InputError(
        f"filename: {'/'.join(found.key)} stands in {before} and in {found.file}",
        field="filename",
        hint="give the files of one environment, or one namespace to each",
    )

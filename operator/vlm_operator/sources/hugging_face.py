"""Read a model's config and tensor headers from Hugging Face: the local cache first, then the Hub.

From the Hub come ``config.json`` (kept in Hugging Face's own cache) and the first bytes of each safetensors file by
range requests, never the weights. Headers are kept per commit in this user's cache folder, so that the second call for
a commit needs no network. The cache's layout is the documented one (``models--ORG--NAME/{refs,snapshots}``).
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from vlm_operator.errors import InputError, ModelNotFound, SourceUnavailable, UnknownFact
from vlm_operator.model.facts import ModelFacts
from vlm_operator.sources.json_document import LARGEST_CONFIG_BYTES, parse_object, read_object
from vlm_operator.sources.model_files import CONFIG_NAME, ModelFiles
from vlm_operator.sources.safetensors import INDEX_NAME, TensorHeader, read_headers, shard_names

SINGLE_FILE_NAME: Final = "model.safetensors"
DEFAULT_REVISION: Final = "main"

_REPOSITORY: Final = re.compile(r"(?:[A-Za-z0-9][\w.-]{0,95}/)?[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
_REVISION: Final = re.compile(r"[A-Za-z0-9_][\w./-]{0,127}", re.ASCII)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)
_TIMEOUT_SECONDS: Final = 10.0
_HEADER_CONNECTIONS: Final = 8
_LARGEST_CACHED_HEADERS_BYTES: Final = 256 * 2**20


def require_repository(name: str, revision: str | None) -> None:
    """Returns where name and revision can be a repository's.

    Raises:
        ModelNotFound: they cannot; nothing was looked up.
    """
    if not _REPOSITORY.fullmatch(name) or ".." in name:
        raise ModelNotFound(
            f"model: {name[:80]!r} is no path that exists here and no Hugging Face id",
            field="model",
            hint="write OWNER/NAME, a folder that holds config.json, or the path of a config.json",
        )
    if revision is not None and (not _REVISION.fullmatch(revision) or ".." in revision):
        raise InputError(f"revision: {revision[:80]!r} is not a branch, tag or commit", field="revision")


_TOKENIZER_FILES: Final = ("tokenizer.json", "tokenizer.model", "vocab.json", "tekken.json", "tokenizer_config.json")


# --- the local cache ------------------------------------------------------------------------------------------------


def load_cached(
    name: str, *, revision: str | None = None, hf_overrides: Mapping[str, Any] | None = None
) -> ModelFacts | None:
    """Facts from Hugging Face's cache on this machine, or None where it does not hold the model at that revision.

    Raises:
        InputError: a cached file is damaged.
        UnknownFact: the config describes a model whose layout is not known.
    """
    snapshot = _cached_snapshot(name, revision or DEFAULT_REVISION)
    if snapshot is None:
        return None
    files = ModelFiles.in_folder(snapshot)
    files = files.with_tensors(_snapshot_headers(snapshot) or _cached_headers(name, snapshot.name))
    source = f"Hugging Face cache: {name} at {snapshot.name[:12]}, {files.read_from}"
    return files.facts(model=name, source=source, hf_overrides=hf_overrides)


def cached_folder(name: str, revision: str | None = None) -> Path | None:
    """The folder of a cached snapshot that has the files a processor needs, None where this machine has none."""
    snapshot = _cached_snapshot(name, revision or DEFAULT_REVISION)
    if snapshot is None or not any((snapshot / file).is_file() for file in _TOKENIZER_FILES):
        return None
    return snapshot


def _cached_snapshot(name: str, revision: str) -> Path | None:
    """The folder of the cached commit that ``revision`` names, if it holds a config."""
    from huggingface_hub import constants

    repository = Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"
    commit = revision
    if not _COMMIT.fullmatch(revision):
        try:
            commit = (repository / "refs" / revision).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            return None
    snapshot = repository / "snapshots" / commit
    return snapshot if _COMMIT.fullmatch(commit) and (snapshot / CONFIG_NAME).is_file() else None


def _snapshot_headers(snapshot: Path) -> dict[str, TensorHeader] | None:
    """The headers of a snapshot whose weights are all there: a cache often holds a part of a model only."""
    index = snapshot / INDEX_NAME
    if index.is_file():
        shards = shard_names(read_object(index, _LARGEST_CACHED_HEADERS_BYTES), str(index))
        return read_headers(snapshot) if all((snapshot / shard).is_file() for shard in shards) else None
    return read_headers(snapshot) if (snapshot / SINGLE_FILE_NAME).is_file() else None


# --- the Hub --------------------------------------------------------------------------------------------------------


def load_from_hub(
    name: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    hf_overrides: Mapping[str, Any] | None = None,
) -> ModelFacts:
    """Facts from the Hub, by requests for the config and the headers only.

    Args:
        name: the repository's id.
        revision: branch, tag or commit; None for the default branch.
        token: access token; None for the one that Hugging Face's tools keep (``HF_TOKEN`` or ``hf auth login``).
        hf_overrides: as vLLM's ``--hf-overrides``.

    Raises:
        ModelNotFound: the Hub has no such repository or revision, or the repository has no config.
        InputError: the repository is gated or private and the token does not open it.
        SourceUnavailable: the Hub does not answer, or answers that it is busy.
        UnknownFact: the config describes a model whose layout is not known.
    """
    from huggingface_hub import HfApi

    with _hub_errors_explained(name, revision, bool(token)):
        api = HfApi(token=token)
        information = api.model_info(name, revision=revision, timeout=_TIMEOUT_SECONDS)
        commit = information.sha or revision or DEFAULT_REVISION
        names = frozenset(sibling.rfilename for sibling in information.siblings or ())
        if CONFIG_NAME not in names:
            raise ModelNotFound(
                f"model: {name} has no {CONFIG_NAME} on the Hub",
                field="model",
                hint="give the id of the model in Hugging Face format (repositories of GGUF files have no config)",
            )
        files = ModelFiles.read(
            lambda file: _download_object(api, name, file, commit, LARGEST_CONFIG_BYTES), names
        ).with_tensors(_cached_headers(name, commit) or _hub_headers(api, name, commit, names))
    source = f"Hugging Face Hub: {name} at {commit[:12]}, {files.read_from}"
    return files.facts(model=name, source=source, hf_overrides=hf_overrides)


def _download_object(api: Any, name: str, file: str, commit: str, limit: int) -> dict[str, Any]:
    return read_object(Path(api.hf_hub_download(name, file, revision=commit)), limit)


def _hub_headers(api: Any, name: str, commit: str, files: frozenset[str]) -> dict[str, TensorHeader] | None:
    """All tensors of the repository's checkpoint, or None where it is stored in another format."""
    if INDEX_NAME in files:
        index = _download_object(api, name, INDEX_NAME, commit, _LARGEST_CACHED_HEADERS_BYTES)
        shards = shard_names(index, f"{name}/{INDEX_NAME}")
    elif SINGLE_FILE_NAME in files:
        shards = [SINGLE_FILE_NAME]
    else:
        return None

    def read(shard: str) -> dict[str, TensorHeader]:
        header = api.parse_safetensors_file_metadata(name, shard, revision=commit, timeout=_TIMEOUT_SECONDS)
        return {tensor: TensorHeader(info.dtype, tuple(info.shape)) for tensor, info in header.tensors.items()}

    tensors: dict[str, TensorHeader] = {}
    with ThreadPoolExecutor(_HEADER_CONNECTIONS) as connections:
        for header in connections.map(read, shards):
            tensors.update(header)
    _keep_headers(name, commit, tensors)
    return tensors


@contextmanager
def _hub_errors_explained(name: str, revision: str | None, has_token: bool) -> Iterator[None]:
    """Turns what huggingface_hub and its HTTP client raise into words and the next step."""
    from huggingface_hub import errors

    try:
        yield
    except (InputError, UnknownFact):
        raise
    except errors.GatedRepoError as error:
        raise _refused(name, has_token, "is gated: its publisher asks for consent") from error
    except errors.RevisionNotFoundError as error:
        raise ModelNotFound(
            f"revision: {name} has no {revision} on the Hub",
            field="revision",
            hint=f"see https://huggingface.co/{name}/commits",
        ) from error
    except errors.RepositoryNotFoundError as error:
        if _status_of(error) in (401, 403) and has_token:
            raise _refused(name, has_token, "is not there, or is private") from error
        raise ModelNotFound(f"model: the Hub has no {name}, or it is private", field="model") from error
    except errors.HFValidationError as error:
        raise ModelNotFound(f"model: {name[:80]!r} is not a Hugging Face id", field="model") from error
    except errors.SafetensorsParsingError as error:
        raise InputError(f"{name}: {str(error)[:200]}", field="model") from error
    except errors.OfflineModeIsEnabled as error:
        raise _unreachable(name, "HF_HUB_OFFLINE is set") from error
    except Exception as error:
        if _status_of(error) in (401, 403):
            raise _refused(name, has_token, "may not be read") from error
        if not isinstance(error, OSError) and not _is_of_http_client(error):
            raise
        raise _unreachable(name, str(error).splitlines()[0][:160] if str(error) else type(error).__name__) from error


def _status_of(error: Exception) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _is_of_http_client(error: Exception) -> bool:
    """True for an error of whichever HTTP client the installed release of huggingface_hub uses."""
    return any(
        cls.__module__.partition(".")[0] in {"httpx", "httpx2", "httpcore", "requests"} for cls in type(error).__mro__
    )


def _refused(name: str, has_token: bool, why: str) -> InputError:
    return InputError(
        f"model: {name} {why}, and {'the given token does not open it' if has_token else 'no token was given'}",
        field="token",
        hint=f"accept the terms on https://huggingface.co/{name}, then set HF_TOKEN to a token of that account "
        "(in a VLMDeployment: spec.model.tokenSecretRef)",
    )


def _unreachable(name: str, why: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"model: {name} is neither in the built-in catalogue nor in the local Hugging Face cache, "
        f"and the Hub cannot be read: {why}",
        hint="try again, set HF_ENDPOINT to a mirror, or give a folder or a config.json of the model",
    )


# --- headers kept on this machine -----------------------------------------------------------------------------------


def _headers_file(name: str, commit: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "vlm-operator" / "safetensors-headers" / name.replace("/", "--") / f"{commit}.json"


def _cached_headers(name: str, commit: str) -> dict[str, TensorHeader] | None:
    """What ``_keep_headers`` kept; None where nothing was, or where the file is damaged."""
    file = _headers_file(name, commit)
    if not file.is_file():
        return None
    try:
        kept = parse_object(file.read_bytes(), str(file))
        return {tensor: TensorHeader(dtype, tuple(shape)) for tensor, (dtype, shape) in kept.items()}
    except (InputError, OSError, TypeError, ValueError):
        return None


def _keep_headers(name: str, commit: str, tensors: Mapping[str, TensorHeader]) -> None:
    """Keep the headers of a commit; a cache that cannot be written costs speed, not the answer."""
    if not _COMMIT.fullmatch(commit):
        return  # a branch moves
    file = _headers_file(name, commit)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".part", delete=False, encoding="utf-8") as part:
            json.dump(tensors, part, separators=(",", ":"))
        Path(part.name).replace(file)
    except OSError:
        return

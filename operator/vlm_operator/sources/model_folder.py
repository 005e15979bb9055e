"""The folder of a model's small files: config, processors, tokenizer, code. No weights are read from it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from vlm_operator.errors import InputError, SourceUnavailable
from vlm_operator.sources import catalogue, is_path
from vlm_operator.sources.model_files import CONFIG_NAME

_SMALL_FILES: Final = ("*.json", "*.txt", "*.model", "*.jinja", "*.py", "*.tiktoken")
_INDEXES: Final = ("*.index.json",)


def model_folder(name: str, *, revision: str | None = None, offline: bool = False) -> Path:
    """The folder that vLLM would be given for the model that the user names.

    A path's own folder, the Hugging Face cache's snapshot, or a snapshot of the small files from the Hub.

    Raises:
        InputError: the path has no ``config.json``.
        SourceUnavailable: only the catalogue has the model, or the Hub cannot be asked.
    """
    if is_path(name):
        path = Path(name).expanduser()
        folder = path if path.is_dir() else path.parent
        if not (folder / CONFIG_NAME).is_file():
            raise InputError(f"model: {folder} has no {CONFIG_NAME}", field="model", hint="name the model's folder")
        return folder.resolve()
    from vlm_operator.sources.hugging_face import cached_folder, require_repository

    entry = catalogue.find(name)
    repository = entry.id if entry is not None else name
    require_repository(repository, revision)
    cached = cached_folder(repository, revision)
    if cached is not None:
        return cached
    if offline:
        raise _files_needed(name, "they are not on this machine, and no network call is allowed")
    return _downloaded(repository, revision, name)


def _downloaded(repository: str, revision: str | None, name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        found = snapshot_download(
            repository, revision=revision, allow_patterns=list(_SMALL_FILES), ignore_patterns=list(_INDEXES)
        )
    except Exception as error:
        raise _files_needed(name, f"the Hub did not give them: {type(error).__name__}") from error
    return Path(found)


def _files_needed(name: str, why: str) -> SourceUnavailable:
    return SourceUnavailable(
        f"model: a dry run needs the config, processor and tokenizer files of {name}; {why}",
        hint=f"hf download {name} --include '*.json' '*.txt' '*.model' '*.jinja' '*.py', and give the folder",
    )

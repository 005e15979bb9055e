"""Find the vLLM command in a container of anybody's pod: command, args, shell scripts, environment, config files.

The forms are those of production-stack, KServe (``huggingfaceserver`` and ``LLMInferenceService``), llm-d, and plain
manifests: ``vllm serve``, ``python -m vllm.entrypoints.openai.api_server``, ``sh -c '…'``, and images whose entrypoint
is the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import yaml

from vlm_operator.audit.serve_command import ServeCommand, read_arguments
from vlm_operator.audit.shell_words import UNRESOLVED, commands

Manifest = Mapping[str, Any]
ConfigMaps = Mapping[tuple[str, str], Mapping[str, str]]
"""Data of ConfigMaps by namespace and name."""

_SHELLS: Final = frozenset({"sh", "bash", "ash", "dash", "zsh"})
_MODULE: Final = re.compile(r"vllm\.entrypoints\.(openai\.api_server|api_server|cli\.main)|huggingfaceserver", re.ASCII)
_SERVER_IMAGE: Final = re.compile(r"(vllm|huggingfaceserver)", re.ASCII)
_KUBERNETES_VARIABLE: Final = re.compile(r"\$\$|\$\((\w+)\)", re.ASCII)
_LARGEST_CONFIG: Final = 256 * 1024


@dataclass(frozen=True, slots=True)
class FoundCommand:
    """The vLLM command of one container.

    Attributes:
        command: read, with the flags of its ``--config`` file before its own.
        environment: variables of the container whose value the manifest tells.
        notes: what could not be read.
    """

    command: ServeCommand
    environment: Mapping[str, str]
    notes: tuple[str, ...] = ()


def find_command(container: Manifest, pod: Manifest, config_maps: ConfigMaps) -> FoundCommand | None:
    """The vLLM command that a container runs; None where it runs none."""
    namespace = (pod.get("metadata") or {}).get("namespace") or "default"
    environment, notes = _environment(container, namespace, config_maps)
    arguments = _arguments(container, environment)
    if arguments is None:
        return None
    config = read_arguments(arguments).value("--config")
    if config is not None:
        lines, note = _config_file(config, container, pod, namespace, config_maps)
        arguments = [*_without_model(lines, arguments), *arguments]
        notes += [note] if note else []
    command = read_arguments(arguments)
    return FoundCommand(command, environment, (*notes, *command.problems))


def _arguments(container: Manifest, environment: Mapping[str, str]) -> list[str] | None:
    """Arguments of the server, or None where the container runs something else."""
    command = [_replaced(str(word), environment) for word in container.get("command") or ()]
    args = [_replaced(str(word), environment) for word in container.get("args") or ()]
    words = [*command, *args]
    if _shell_script(words) is not None:
        return _in_script(_shell_script(words) or "", environment)
    found = _after_server(words)
    if found is not None:
        return found
    image = str(container.get("image") or "").rpartition("/")[2].partition("@")[0].partition(":")[0]
    if command or not _SERVER_IMAGE.search(image):
        return None
    if args[:1] == ["serve"]:  # images whose entrypoint is vllm itself
        return args[1:]
    read = read_arguments(args)
    return args if read.model or read.has("--config") else None  # a router of that name has neither


def _shell_script(words: Sequence[str]) -> str | None:
    """The script of ``sh -c SCRIPT``, options of the shell before it."""
    if not words or words[0].rpartition("/")[2] not in _SHELLS:
        return None
    for place, word in enumerate(words[1:], start=1):
        if re.fullmatch(r"-[a-z]*c[a-z]*", word):
            return next((script for script in words[place + 1 :] if not re.fullmatch(r"--?[a-z]*", script)), None)
    return None


def _in_script(script: str, environment: Mapping[str, str]) -> list[str] | None:
    """Arguments of the first server that a script starts."""
    for words in commands(script, environment):
        inner = _shell_script(words)
        found = _in_script(inner, environment) if inner is not None else _after_server(words)
        if found is not None:
            return found
    return None


def _after_server(words: Sequence[str]) -> list[str] | None:
    """Words after ``vllm serve`` or the server's module, None where there is neither."""
    for place, word in enumerate(words):
        if word.rpartition("/")[2] == "vllm" and words[place + 1 : place + 2] == ["serve"]:
            return list(words[place + 2 :])
        if _MODULE.fullmatch(word) and (words[place - 1] == "-m" or place == 0):
            rest = list(words[place + 1 :])
            return rest[1:] if rest[:1] == ["serve"] else rest
        if word.endswith("/api_server.py") and "vllm" in word:
            return list(words[place + 1 :])
    return None


def _replaced(text: str, environment: Mapping[str, str]) -> str:
    """``$(NAME)`` as the kubelet replaces it; ``$$`` stands for one dollar sign; unknown names stay as they are."""
    return _KUBERNETES_VARIABLE.sub(
        lambda match: "$" if match[1] is None else environment.get(match[1], match[0]), text
    )


def _environment(container: Manifest, namespace: str, config_maps: ConfigMaps) -> tuple[dict[str, str], list[str]]:
    """Variables whose value is told by the manifest or a ConfigMap, and what could not be read."""
    found: dict[str, str] = {}
    notes: list[str] = []
    for source in container.get("envFrom") or ():
        reference = source.get("configMapRef") or {}
        data = config_maps.get((namespace, reference.get("name", "")))
        if data is not None:
            found.update({f"{source.get('prefix', '')}{key}": value for key, value in data.items()})
    for entry in container.get("env") or ():
        name, value = str(entry.get("name")), entry.get("value")
        reference = (entry.get("valueFrom") or {}).get("configMapKeyRef")
        if reference:
            value = (config_maps.get((namespace, reference.get("name", ""))) or {}).get(reference.get("key", ""))
            if value is None:
                notes.append(f"env {name}: ConfigMap {reference.get('name')} was not read")
        if value is not None or not entry.get("valueFrom"):
            found[name] = _replaced(str(value or ""), found)
    return found, notes


def _config_file(
    path: str, container: Manifest, pod: Manifest, namespace: str, config_maps: ConfigMaps
) -> tuple[list[str], str | None]:
    """Arguments of a config file that a ConfigMap holds, as vLLM's ``load_config_file`` makes them; and a note."""
    found = _mounted(path, container, pod)
    text = None
    if found is not None:
        name, key = found
        text = (config_maps.get((namespace, name)) or {}).get(key)
    if text is None:
        return [], f"config {path}: the file is not in a ConfigMap that was read; its flags are not known"
    try:
        content = yaml.load(text[:_LARGEST_CONFIG], Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return [], f"config {path}: the ConfigMap holds no YAML"
    if not isinstance(content, dict):
        return [], f"config {path}: the ConfigMap holds no mapping"
    return list(_config_arguments(content)), None


def _config_arguments(content: Mapping[Any, Any]) -> Iterator[str]:
    """``key: value`` as arguments (0.11.2 to 0.33.0: ``FlexibleArgumentParser.load_config_file``)."""
    for key, value in content.items():
        flag = f"--{str(key).replace('_', '-')}"
        if key == "model":
            yield from ("--model", str(value))
        elif isinstance(value, bool):
            if value:
                yield flag
        elif isinstance(value, list):
            yield flag
            yield from map(str, value)
        elif value is not None:
            yield from (flag, json.dumps(value) if isinstance(value, dict) else str(value))


def _without_model(lines: list[str], arguments: list[str]) -> list[str]:
    """The config's arguments without its model where the command line names one, which wins."""
    if not read_arguments(arguments).model:
        return lines
    place = lines.index("--model") if "--model" in lines else None
    return lines if place is None else [*lines[:place], *lines[place + 2 :]]


def _mounted(path: str, container: Manifest, pod: Manifest) -> tuple[str, str] | None:
    """(ConfigMap, key) that a path of the container is mounted from."""
    volumes = {volume.get("name"): volume for volume in (pod.get("spec") or {}).get("volumes") or ()}
    for mount in container.get("volumeMounts") or ():
        volume = volumes.get(mount.get("name")) or {}
        config_map = volume.get("configMap")
        root = str(mount.get("mountPath", "")).rstrip("/")
        if not config_map or not (path == root or path.startswith(f"{root}/")):
            continue
        inner = mount.get("subPath") or path.removeprefix(root).lstrip("/")
        items = {item.get("path"): item.get("key") for item in config_map.get("items") or ()}
        return str(config_map.get("name")), str(items.get(inner, inner))
    return None


def config_maps_named(pod: Manifest) -> frozenset[str]:
    """ConfigMaps that the command of a pod may depend on: mounted ones, and those of its environment."""
    spec = pod.get("spec") or {}
    names = {(volume.get("configMap") or {}).get("name") for volume in spec.get("volumes") or ()}
    for container in spec.get("containers") or ():
        names |= {(source.get("configMapRef") or {}).get("name") for source in container.get("envFrom") or ()}
        for entry in container.get("env") or ():
            names.add(((entry.get("valueFrom") or {}).get("configMapKeyRef") or {}).get("name"))
    return frozenset(str(name) for name in names if name)


def is_resolved(text: str) -> bool:
    """False where a part of the text is known only inside the container."""
    return UNRESOLVED not in text and "$(" not in text

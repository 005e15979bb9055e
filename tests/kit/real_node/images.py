"""Container images of the node, without files of a distribution: the runtime mounts the host's programs into them.

As with GPU drivers, what a container finds is the node's: ``base_spec`` adds the host's ``/usr``, the Python of vLLM
and the checkpoints to every container, read-only. An image holds the names that point there, the environment, and
where it is to go wrong, a script named ``vllm`` that comes first on the PATH.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import subprocess
import tarfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kit.real_node.vllm_environment import VERSION

HUB: Final = "/checkpoints/hub"
"""Where containers find the checkpoints."""

SYSTEM_FOLDERS: Final = ("bin", "lib", "lib32", "lib64", "sbin", "usr")
_USERS: Final = "root:x:0:0:root:/tmp:/bin/sh\n"
_GROUPS: Final = "root:x:0:\n"


@dataclass(frozen=True)
class Image:
    """An image.

    Attributes:
        name: repository and tag; the operator reads vLLM's release from the tag.
        script: what ``vllm`` does in it; None runs vLLM itself. ``$VLLM`` is the real program.
    """

    name: str
    script: str | None = None


PAUSE: Final = Image("localhost/pause:1")
"""What holds a pod's namespaces: ``sleep`` with its libraries, since the runtime mounts nothing into it."""

_SLEEP: Final = Path("/usr/bin/sleep")

VLLM: Final = Image(f"localhost/vllm-cpu:v{VERSION}")

SMALLER: Final = Image(f"localhost/vllm-on-a-smaller-node:v{VERSION}", 'VLLM_CPU_KVCACHE_SPACE=1 exec "$VLLM" "$@"')
"""vLLM finds 1 GiB for its KV cache, whatever is declared."""

SLOW: Final = Image(f"localhost/vllm-that-loads-for-ever:v{VERSION}", "echo Loading weights; exec sleep 600")
"""Ready never, and to the start-up probe as silent as a model on a slow disk."""

ABSENT: Final = f"localhost/vllm-absent:v{VERSION}"
"""In no registry: the host that it names is the node itself, where nothing listens."""

IMAGES: Final = (PAUSE, VLLM, SMALLER, SLOW)


def write_archive(images: Iterable[Image], vllm: Path, path: Path) -> None:
    """An archive of these images as ``docker save`` writes one; ``ctr images import`` reads it.

    Args:
        vllm: the environment's folder of programs.
    """
    manifest = []
    with tarfile.open(path, "w") as archive:
        for image in images:
            layer = _pause_layer() if image is PAUSE else _layer(image)
            digest = hashlib.sha256(layer).hexdigest()
            config = json.dumps(_config(image, vllm, digest)).encode()
            config_name = f"{hashlib.sha256(config).hexdigest()}.json"
            layer_name = f"{digest}/layer.tar"
            manifest.append({"Config": config_name, "RepoTags": [image.name], "Layers": [layer_name]})
            _add(archive, config_name, config)
            if layer_name not in archive.getnames():
                _add(archive, layer_name, layer)
        _add(archive, "manifest.json", json.dumps(manifest).encode())


def _config(image: Image, vllm: Path, layer: str) -> dict[str, Any]:
    environment = {
        "PATH": f"/faults:{vllm}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/tmp",
        "HF_HUB_CACHE": HUB,
        "HF_HUB_OFFLINE": "1",
        "VLLM": str(vllm / "vllm"),
        # Two servers that bind their threads would both bind them to the first cores of the node.
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    }
    variables = [f"{name}={value}" for name, value in environment.items()]
    return {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Cmd": [str(_SLEEP), "infinity"], "Env": variables},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
    }


def _layer(image: Image) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        for name in ("tmp", "proc", "sys", "dev", "etc", "run", "faults", *_folders()):
            _add_folder(layer, name)
        for name, target in _links().items():
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, target
            layer.addfile(link)
        _add(layer, "etc/passwd", _USERS.encode())
        _add(layer, "etc/group", _GROUPS.encode())
        if image.script is not None:
            _add(layer, "faults/vllm", f"#!/bin/sh\n{image.script}\n".encode(), mode=0o755)
    return content.getvalue()


def _pause_layer() -> bytes:
    printed = subprocess.run(["ldd", str(_SLEEP)], capture_output=True, text=True, check=True).stdout
    libraries = re.findall(r"(/\S+) \(0x", printed)
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        for file in (str(_SLEEP), *libraries):
            _add(layer, file.lstrip("/"), Path(file).read_bytes(), mode=0o755)
    return content.getvalue()


def _links() -> dict[str, str]:
    """Folders that are links on this host, such as /bin on a merged /usr, and where they point."""
    return {name: str(Path("/", name).readlink()) for name in SYSTEM_FOLDERS if Path("/", name).is_symlink()}


def _folders() -> list[str]:
    return [name for name in SYSTEM_FOLDERS if Path("/", name).is_dir() and not Path("/", name).is_symlink()]


def base_spec(spec: Mapping[str, Any], mounts: Iterable[Path], checkpoints: Path) -> dict[str, Any]:
    """The runtime's specification of every container, with the host's programs in it.

    Args:
        spec: what ``ctr oci spec`` prints.
        mounts: folders that containers find at the path they have on the host.
    """
    places = {str(folder): folder for folder in (*(Path("/", name) for name in _folders()), *mounts)}
    places[str(Path(HUB).parent)] = checkpoints
    added = [
        {"destination": place, "type": "bind", "source": str(source), "options": ["rbind", "ro", "rprivate"]}
        for place, source in places.items()
    ]
    return {**spec, "mounts": [*spec["mounts"], *added]}


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
    archive.addfile(entry)

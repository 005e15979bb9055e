"""containerd's configuration, and the images it holds."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Final

from kit.real_node.checkpoints import checkpoints
from kit.real_node.images import IMAGES, PAUSE, base_spec, write_archive
from kit.real_node.network import write_pod_network
from kit.real_node.runtime import Runtime
from kit.real_node.vllm_environment import VLLMEnvironment

SOCKET: Final = "containerd.sock"

_CONFIGURATION: Final = """\
version = 2
root = "{lab}/containerd/root"
state = "{lab}/containerd/state"
[grpc]
  address = "{lab}/{socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{pause}"
  # Without it runc dies where this process itself may not lower its score.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{plugins}"
    conf_dir = "{lab}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    # Works on every file system; images here are a few kilobytes.
    snapshotter = "native"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      base_runtime_spec = "{lab}/base-spec.json"
"""


def write_configuration(lab: Path, runtime: Runtime, environment: VLLMEnvironment) -> Path:
    """Its configuration with everything that it names; the file's path."""
    write_pod_network(lab / "cni", lab / "cni-addresses")
    printed = subprocess.run(
        ["ctr", "oci", "spec"], capture_output=True, text=True, check=True, env=os.environ | {"PATH": runtime.path}
    ).stdout
    spec = base_spec(json.loads(printed), environment.mounts(), checkpoints())
    (lab / "base-spec.json").write_text(json.dumps(spec))
    path = lab / "containerd.toml"
    path.write_text(_CONFIGURATION.format(lab=lab, socket=SOCKET, pause=PAUSE.name, plugins=runtime.plugins))
    return path


def write_images(lab: Path, environment: VLLMEnvironment) -> Path:
    """The archive of the node's images."""
    path = lab / "images.tar"
    write_archive(IMAGES, environment.folder / "bin", path)
    return path

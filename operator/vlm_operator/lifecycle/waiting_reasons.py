"""Reasons by which the kubelet says that a container cannot be started."""

from __future__ import annotations

from typing import Final

IMAGE_REASONS: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
"""Its image cannot be pulled."""

CONFIG_REASONS: Final = frozenset({"CreateContainerConfigError", "CreateContainerError", "RunContainerError"})
"""It cannot be created: a Secret, ConfigMap, volume or command is missing or wrong."""

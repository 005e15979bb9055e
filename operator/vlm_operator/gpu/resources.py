"""Names of vendors' extended resources and node labels: the one place that spells them.

NVIDIA's device plugin and gpu-feature-discovery (https://github.com/NVIDIA/k8s-device-plugin), AMD's device plugin and
node labeller (https://instinct.docs.amd.com/projects/k8s-device-plugin/en/latest/user-guide/configuration.html).
"""

from __future__ import annotations

from typing import Final

NVIDIA_DOMAIN: Final = "nvidia.com/"
AMD_DOMAIN: Final = "amd.com/"
GPU_DOMAINS: Final = (NVIDIA_DOMAIN, AMD_DOMAIN, "gpu.intel.com/")
"""Domains of extended resources that are GPUs."""

GPU_RESOURCE: Final = f"{NVIDIA_DOMAIN}gpu"
"""Extended resource of whole GPUs, as NVIDIA's device plugin names it: asked for where nothing else is said. Labels of
whole GPUs begin with the same words (``.product``, ``.memory``, ``.replicas``)."""
AMD_RESOURCE: Final = f"{AMD_DOMAIN}gpu"
"""The same of AMD's."""
MIG_PREFIX: Final = f"{NVIDIA_DOMAIN}mig-"
"""Resources and labels of MIG slices, before the profile."""
CDI_KIND: Final = f"{NVIDIA_DOMAIN}gpu"
"""Kind of NVIDIA's devices in the Container Device Interface, before ``=`` and the number (``nvidia-ctk cdi list``)."""

PRODUCT_LABEL: Final = f"{GPU_RESOURCE}.product"
"""Label of a node that names the product of its GPUs."""
MEMORY_LABEL: Final = f"{GPU_RESOURCE}.memory"
"""Label with NVML's total of each, in MiB."""

DRA_DRIVER: Final = "gpu.nvidia.com"
"""NVIDIA's driver for dynamic resource allocation, as ResourceSlices and CEL name it."""
GPU_DEVICE_CLASS: Final = "gpu.nvidia.com"
"""DeviceClass of whole GPUs that NVIDIA's chart installs."""
MIG_DEVICE_CLASS: Final = "mig.nvidia.com"
"""DeviceClass of MIG instances that it installs."""

"""The NVIDIA products this project knows: label, aliases, NVML and CUDA totals, capability, MIG slices.

Figures were collected in November 2026 from what ``nvidia-smi``, torch, deviceQuery and vLLM's own start-up line
("Free memory on device (free/total GiB)") printed in public issues, notebooks and repositories, for instance
https://github.com/vllm-project/vllm/issues/7768 (RTX 4090), …/27508 and
https://github.com/llm-d-incubation/llm-d-planner/blob/main/docs/empirical-vllm-memory-results.md (H100),
https://github.com/pytorch/ao/pull/4002 (B200),
https://github.com/aikitoria/open-gpu-kernel-modules/issues/1 (RTX 5090).
Compute capabilities: https://developer.nvidia.com/cuda-gpus. MIG slices:
https://docs.nvidia.com/datacenter/tesla/mig-user-guide/supported-mig-profiles.html and ``nvidia-smi mig -lgip``; those
of B200 and H20 are scaled from fractions. Label spelling: ``nvidia.com/gpu.product`` is NVML's name with spaces turned
into ``-`` (https://github.com/NVIDIA/k8s-device-plugin/blob/main/internal/lm/resource.go). AMD:
https://rocm.docs.amd.com/en/7.13.0-preview/reference/gpu-specs.html and the node labeller's ``gpu.product-name``.
"""
# ruff: noqa: E501 (one product a line can be read as a table; wrapped, it cannot)

from __future__ import annotations

from typing import Final, NamedTuple

MigRow = tuple[tuple[str, int], ...]


class ProductRow(NamedTuple):
    """One product; memory in MiB as printed.

    Attributes:
        cuda_mib: CUDA's total on a Linux host with a current driver.
        uncertainty_mib: spread over drivers and hosts, or what an inferred total may be off.
        context_mib: CUDA's total less what vLLM found free on an otherwise idle GPU, None where nobody published it.
        mig: (profile, MiB) of each slice.
    """

    product: str
    aliases: tuple[str, ...]
    architecture: str
    compute_capability: tuple[int, int] | None
    memory_kind: str
    nvml_mib: int | None
    cuda_mib: int
    uncertainty_mib: int
    context_mib: int | None = None
    mig: MigRow = ()


class MemoryVariant(NamedTuple):
    """The same label on a card with other memory: another size, ECC switched, or another driver.

    Attributes:
        nvml_mib: NVML's total (the label ``nvidia.com/gpu.memory``), by which the variant is told apart.
        cuda_mib: CUDA's total, None where nobody published it.
        aliases: what a user may type to mean this variant.
    """

    product: str
    nvml_mib: int
    cuda_mib: int | None
    note: str
    aliases: tuple[str, ...] = ()


# fmt: off
_MIG_RTX_PRO_6000: Final[MigRow] = (('1g.24gb', 24192), ('2g.48gb', 48512), ('4g.96gb', 97408))
_MIG_A30: Final[MigRow] = (('1g.6gb', 5952), ('2g.12gb', 11968), ('4g.24gb', 24000))
_MIG_A100_40GB: Final[MigRow] = (('1g.5gb', 4864), ('1g.10gb', 9984), ('2g.10gb', 9984), ('3g.20gb', 20096), ('4g.20gb', 20096), ('7g.40gb', 40448))
_MIG_A100_80GB: Final[MigRow] = (('1g.10gb', 9728), ('1g.20gb', 19968), ('2g.20gb', 19968), ('3g.40gb', 40192), ('4g.40gb', 40192), ('7g.80gb', 80896))
_MIG_H100_80GB: Final[MigRow] = (('1g.10gb', 9984), ('1g.20gb', 20096), ('2g.20gb', 20096), ('3g.40gb', 40448), ('4g.40gb', 40448), ('7g.80gb', 81152))
_MIG_H100_NVL: Final[MigRow] = (('1g.12gb', 10880), ('1g.24gb', 22016), ('2g.24gb', 22016), ('3g.47gb', 47232), ('4g.47gb', 47232), ('7g.94gb', 94848))
_MIG_H200: Final[MigRow] = (('1g.18gb', 16384), ('1g.35gb', 33280), ('2g.35gb', 33280), ('3g.71gb', 71168), ('4g.71gb', 71168), ('7g.141gb', 143360))
_MIG_H20: Final[MigRow] = (('1g.12gb', 10880), ('2g.24gb', 22016), ('3g.48gb', 48128), ('4g.48gb', 48128), ('7g.96gb', 96896))
_MIG_B200: Final[MigRow] = (('1g.23gb', 21504), ('1g.45gb', 44032), ('2g.45gb', 44032), ('3g.90gb', 90112), ('4g.90gb', 90112), ('7g.180gb', 181248))

PRODUCTS: Final[tuple[ProductRow, ...]] = (
    ProductRow("NVIDIA-GeForce-RTX-5090", ("RTX-5090", "RTX5090", "5090"), "Blackwell", (12, 0), "GDDR", 32607, 32102, 21, 512),
    ProductRow("NVIDIA-GeForce-RTX-5080", ("RTX-5080", "RTX5080", "5080"), "Blackwell", (12, 0), "GDDR", 16303, 15840, 1),
    ProductRow("NVIDIA-GeForce-RTX-5070-Ti", ("RTX-5070-Ti", "RTX5070Ti", "5070-Ti"), "Blackwell", (12, 0), "GDDR", 16303, 15841, 100),
    ProductRow("NVIDIA-GeForce-RTX-5070", ("RTX-5070", "RTX5070", "5070"), "Blackwell", (12, 0), "GDDR", 12227, 11776, 100),
    ProductRow("NVIDIA-GeForce-RTX-5060-Ti", ("RTX-5060-Ti", "RTX5060Ti", "RTX-5060-Ti-16GB"), "Blackwell", (12, 0), "GDDR", 16311, 15841, 11),
    ProductRow("NVIDIA-GeForce-RTX-4090", ("RTX-4090", "RTX4090", "4090"), "Ada Lovelace", (8, 9), "GDDR", 24564, 24081, 137),
    ProductRow("NVIDIA-GeForce-RTX-4080", ("RTX-4080", "RTX4080", "4080"), "Ada Lovelace", (8, 9), "GDDR", 16376, 15943, 103),
    ProductRow("NVIDIA-GeForce-RTX-4080-SUPER", ("RTX-4080-SUPER", "RTX4080SUPER"), "Ada Lovelace", (8, 9), "GDDR", 16376, 15944, 0),
    ProductRow("NVIDIA-GeForce-RTX-4070-Ti-SUPER", ("RTX-4070-Ti-SUPER",), "Ada Lovelace", (8, 9), "GDDR", 16376, 15943, 100),
    ProductRow("NVIDIA-GeForce-RTX-4070", ("RTX-4070", "RTX4070"), "Ada Lovelace", (8, 9), "GDDR", 12282, 11878, 123),
    ProductRow("NVIDIA-GeForce-RTX-4060-Ti", ("RTX-4060-Ti", "RTX-4060-Ti-16GB"), "Ada Lovelace", (8, 9), "GDDR", 16380, 15943, 100),
    ProductRow("NVIDIA-GeForce-RTX-3090", ("RTX-3090", "RTX3090", "3090"), "Ampere", (8, 6), "GDDR", 24576, 24139, 130, 522),
    ProductRow("NVIDIA-GeForce-RTX-3090-Ti", ("RTX-3090-Ti",), "Ampere", (8, 6), "GDDR", 24564, 24114, 1),
    ProductRow("NVIDIA-GeForce-RTX-3080", ("RTX-3080",), "Ampere", (8, 6), "GDDR", 10240, 9881, 123),
    ProductRow("NVIDIA-GeForce-RTX-3080-Ti", ("RTX-3080-Ti",), "Ampere", (8, 6), "GDDR", 12288, 11911, 141),
    ProductRow("NVIDIA-GeForce-RTX-3060", ("RTX-3060", "RTX-3060-12GB"), "Ampere", (8, 6), "GDDR", 12288, 11910, 132),
    ProductRow("NVIDIA-GeForce-RTX-2080-Ti", ("RTX-2080-Ti",), "Turing", (7, 5), "GDDR", 11264, 10825, 193),
    ProductRow("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition", ("RTX-PRO-6000", "RTX-PRO-6000-Server", "RTXPRO6000"), "Blackwell", (12, 0), "GDDR", 97887, 97250, 0, 553, _MIG_RTX_PRO_6000),
    ProductRow("NVIDIA-RTX-PRO-6000-Blackwell-Workstation-Edition", ("RTX-PRO-6000-Workstation",), "Blackwell", (12, 0), "GDDR", 97887, 97250, 100, None, _MIG_RTX_PRO_6000),
    ProductRow("NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Workstation-Edition", ("RTX-PRO-6000-Max-Q",), "Blackwell", (12, 0), "GDDR", 97887, 97249, 100, None, _MIG_RTX_PRO_6000),
    ProductRow("NVIDIA-RTX-PRO-5000-Blackwell", ("RTX-PRO-5000",), "Blackwell", (12, 0), "GDDR", 48935, 48363, 1),
    ProductRow("NVIDIA-RTX-PRO-4500-Blackwell", ("RTX-PRO-4500",), "Blackwell", (12, 0), "GDDR", 32623, 32112, 100),
    ProductRow("NVIDIA-RTX-PRO-4000-Blackwell", ("RTX-PRO-4000",), "Blackwell", (12, 0), "GDDR", 24467, 23961, 100),
    ProductRow("NVIDIA-RTX-6000-Ada-Generation", ("RTX-6000-Ada",), "Ada Lovelace", (8, 9), "GDDR", 49140, 48497, 41),
    ProductRow("NVIDIA-RTX-5000-Ada-Generation", ("RTX-5000-Ada",), "Ada Lovelace", (8, 9), "GDDR", 32760, 32225, 100),
    ProductRow("NVIDIA-RTX-4500-Ada-Generation", ("RTX-4500-Ada",), "Ada Lovelace", (8, 9), "GDDR", 24570, 24087, 100),
    ProductRow("NVIDIA-RTX-4000-Ada-Generation", ("RTX-4000-Ada",), "Ada Lovelace", (8, 9), "GDDR", 20475, 20011, 0),
    ProductRow("NVIDIA-RTX-2000-Ada-Generation", ("RTX-2000-Ada",), "Ada Lovelace", (8, 9), "GDDR", 16380, 15943, 100),
    ProductRow("NVIDIA-RTX-A6000", ("A6000", "RTX-A6000"), "Ampere", (8, 6), "GDDR", 49140, 48537, 144),
    ProductRow("NVIDIA-RTX-A5000", ("A5000", "RTX-A5000"), "Ampere", (8, 6), "GDDR", 24564, 24114, 134),
    ProductRow("NVIDIA-RTX-A4500", ("A4500", "RTX-A4500"), "Ampere", (8, 6), "GDDR", 20470, 20019, 100),
    ProductRow("NVIDIA-RTX-A4000", ("A4000", "RTX-A4000"), "Ampere", (8, 6), "GDDR", 16376, 15974, 144),
    ProductRow("Tesla-T4", ("T4", "NVIDIA-T4"), "Turing", (7, 5), "GDDR", 15360, 14912, 202),
    ProductRow("Tesla-V100-SXM2-16GB", ("V100-16GB", "V100"), "Volta", (7, 0), "HBM", 16384, 16148, 100),
    ProductRow("Tesla-V100-SXM2-32GB", ("V100-32GB",), "Volta", (7, 0), "HBM", 32768, 32494, 8),
    ProductRow("Tesla-V100-PCIE-16GB", ("V100-PCIE-16GB",), "Volta", (7, 0), "HBM", 16384, 16148, 100),
    ProductRow("NVIDIA-A2", ("A2",), "Ampere", (8, 6), "GDDR", 15356, 14909, 100),
    ProductRow("NVIDIA-A10", ("A10",), "Ampere", (8, 6), "GDDR", 23028, 22518, 100),
    ProductRow("NVIDIA-A10G", ("A10G",), "Ampere", (8, 6), "GDDR", 23028, 22587, 82, 236),
    ProductRow("NVIDIA-A30", ("A30",), "Ampere", (8, 0), "HBM", 24576, 24064, 102, None, _MIG_A30),
    ProductRow("NVIDIA-A40", ("A40",), "Ampere", (8, 6), "GDDR", 46068, 45416, 0),
    ProductRow("NVIDIA-A100-SXM4-40GB", ("A100-40GB", "A100-SXM4-40GB"), "Ampere", (8, 0), "HBM", 40960, 40325, 184, None, _MIG_A100_40GB),
    ProductRow("NVIDIA-A100-PCIE-40GB", ("A100-PCIE-40GB",), "Ampere", (8, 0), "HBM", 40960, 40326, 0, None, _MIG_A100_40GB),
    ProductRow("NVIDIA-A100-SXM4-80GB", ("A100", "A100-80GB", "A100-SXM4-80GB"), "Ampere", (8, 0), "HBM", 81920, 81038, 114, None, _MIG_A100_80GB),
    ProductRow("NVIDIA-A100-80GB-PCIe", ("A100-80GB-PCIe", "A100-PCIE-80GB"), "Ampere", (8, 0), "HBM", 81920, 81039, 113, 420, _MIG_A100_80GB),
    ProductRow("NVIDIA-A800-SXM4-80GB", ("A800",), "Ampere", (8, 0), "HBM", 81920, 81039, 113, None, _MIG_A100_80GB),
    ProductRow("NVIDIA-L4", ("L4",), "Ada Lovelace", (8, 9), "GDDR", 23034, 22563, 129, 195),
    ProductRow("NVIDIA-L40", ("L40",), "Ada Lovelace", (8, 9), "GDDR", 46068, 45465, 1),
    ProductRow("NVIDIA-L40S", ("L40S",), "Ada Lovelace", (8, 9), "GDDR", 46068, 45455, 130),
    ProductRow("NVIDIA-L20", ("L20",), "Ada Lovelace", (8, 9), "GDDR", 46068, 45455, 100),
    ProductRow("NVIDIA-H100-80GB-HBM3", ("H100", "H100-80GB", "H100-SXM5"), "Hopper", (9, 0), "HBM", 81559, 81082, 9, 543, _MIG_H100_80GB),
    ProductRow("NVIDIA-H100-PCIe", ("H100-PCIe",), "Hopper", (9, 0), "HBM", 81559, 81008, 1, None, _MIG_H100_80GB),
    ProductRow("NVIDIA-H100-NVL", ("H100-NVL",), "Hopper", (9, 0), "HBM", 95830, 95232, 102, None, _MIG_H100_NVL),
    ProductRow("NVIDIA-H800", ("H800",), "Hopper", (9, 0), "HBM", 81559, 80998, 100, None, _MIG_H100_80GB),
    ProductRow("NVIDIA-H200", ("H200", "H200-SXM"), "Hopper", (9, 0), "HBM", 143771, 143156, 82, 522, _MIG_H200),
    ProductRow("NVIDIA-H200-NVL", ("H200-NVL",), "Hopper", (9, 0), "HBM", 143771, 143156, 100, None, _MIG_H200),
    ProductRow("NVIDIA-H20", ("H20", "H20-96GB"), "Hopper", (9, 0), "HBM", 97871, 97285, 220, None, _MIG_H20),
    ProductRow("NVIDIA-GH200-480GB", ("GH200",), "Hopper", (9, 0), "HBM", 97871, 96768, 0),
    ProductRow("NVIDIA-B200", ("B200",), "Blackwell", (10, 0), "HBM", 183359, 182631, 10, None, _MIG_B200),
    ProductRow("NVIDIA-B300-SXM6-AC", ("B300",), "Blackwell Ultra", (10, 3), "HBM", 275040, 274114, 1, 625),
    ProductRow("NVIDIA-GB200", ("GB200",), "Blackwell", (10, 0), "HBM", 189471, 188733, 100),
    ProductRow("NVIDIA-GB300", ("GB300",), "Blackwell Ultra", (10, 3), "HBM", 284208, 283136, 100),
    ProductRow("NVIDIA-GB10", ("GB10", "DGX-Spark"), "Blackwell", (12, 1), "unified", None, 124610, 2110, 15042),
    ProductRow("AMD_Instinct_MI300X_OAM", ("MI300X",), "CDNA 3", None, "HBM", None, 196290, 298, 338),
    ProductRow("AMD_Instinct_MI325_OAM", ("MI325X",), "CDNA 3", None, "HBM", None, 261826, 298),
    ProductRow("AMD_Instinct_MI250X", ("MI250X", "MI250"), "CDNA 2", None, "HBM", None, 65520, 0),
    ProductRow("AMD_Instinct_MI355X", ("MI355X", "MI350X"), "CDNA 4", None, "HBM", None, 294891, 100),
    ProductRow("AMD_Radeon_RX_7900_XTX", ("RX-7900-XTX",), "RDNA 3", None, "GDDR", None, 24560, 0),
    ProductRow("AMD_Radeon_PRO_W7900", ("W7900",), "RDNA 3", None, "GDDR", None, 49131, 100),
    ProductRow("AMD_Radeon_8060S_Graphics", ("Strix-Halo", "Ryzen-AI-MAX-395"), "RDNA 3.5", None, "unified", None, 63969, 40940),
)

VARIANTS: Final[tuple[MemoryVariant, ...]] = (
    MemoryVariant("NVIDIA-GeForce-RTX-5060-Ti", 8151, None, "8 GB card", ("RTX-5060-Ti-8GB",)),
    MemoryVariant("NVIDIA-GeForce-RTX-4060-Ti", 8188, 7806, "8 GB card", ("RTX-4060-Ti-8GB",)),
    MemoryVariant("NVIDIA-GeForce-RTX-3080", 12288, 11911, "12 GB card", ("RTX-3080-12GB",)),
    MemoryVariant("NVIDIA-RTX-PRO-5000-Blackwell", 73224, None, "72 GB card", ("RTX-PRO-5000-72GB",)),
    MemoryVariant("NVIDIA-RTX-6000-Ada-Generation", 46068, 45465, "ECC on"),
    MemoryVariant("NVIDIA-RTX-A6000", 46068, 45619, "ECC on"),
    MemoryVariant("NVIDIA-RTX-A5000", 23028, 22721, "ECC on"),
    MemoryVariant("NVIDIA-A40", 49140, 48688, "ECC off"),
    MemoryVariant("NVIDIA-A10", 24564, 24081, "ECC off"),
    MemoryVariant("NVIDIA-L40S", 49140, 48497, "ECC off"),
    MemoryVariant("Tesla-T4", 15109, 15109, "driver before R510: NVML leaves the reserve out"),
    MemoryVariant("Tesla-T4", 16384, 14912, "label rounded up by the host"),
    MemoryVariant("Tesla-V100-SXM2-16GB", 16160, 16160, "driver before R510: NVML leaves the reserve out"),
    MemoryVariant("Tesla-V100-PCIE-16GB", 16160, 16160, "driver before R510: NVML leaves the reserve out"),
    MemoryVariant("Tesla-V100-SXM2-32GB", 32510, 32494, "driver before R510: NVML leaves the reserve out"),
    MemoryVariant("NVIDIA-A100-SXM4-40GB", 40536, 40441, "driver before R510: NVML leaves the reserve out"),
    MemoryVariant("NVIDIA-A100-PCIE-40GB", 40536, 40326, "driver before R510: NVML leaves the reserve out"),
    MemoryVariant("NVIDIA-A100-SXM4-80GB", 81251, 81251, "driver before R510: NVML leaves the reserve out"),
    MemoryVariant("NVIDIA-H20", 143771, 143156, "141 GB card", ("H20-141GB",)),
    MemoryVariant("NVIDIA-GB300", 256703, 256716, "DGX Station"),
)
# fmt: on

NOTES: Final[dict[str, str]] = {
    "NVIDIA-GH200-480GB": "the host's LPDDR5X is a NUMA node of its own: CUDA counts only the HBM",
    "NVIDIA-GB10": "CPU and GPU share the memory: the page cache and every process count against free memory, "
    "which was between 97 and 115 GiB on idle machines",
    "AMD_Instinct_MI250X": "one card is two devices; the figures are those of one device",
    "AMD_Radeon_8060S_Graphics": "CPU and GPU share the memory; the share is set in the BIOS",
}
"""What a person should know of a product before planning on it."""

"""A library ``libnvidia-ml.so.1`` that answers from a file: the path through ctypes is real, the driver is not."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vlm_operator.units import MIB

IN_INSTANCE: Final = 1000
"""As in ``nvml_stub.c``."""

COMPILER: Final = shutil.which("gcc") or shutil.which("cc")


@dataclass(frozen=True)
class StubGPU:
    """What NVML says of one GPU, sizes in MiB; ``ecc`` and ``mig`` are -1 where they are not supported.

    Attributes:
        instances: profile, total and used memory of each.
        in_instances: processes of the instances, by their place.
    """

    name: str
    total: int
    reserved: int
    used: int = 0
    capability: tuple[int, int] = (9, 0)
    ecc: int = -1
    mig: int = -1
    memory: bool = True
    processes: Mapping[int, tuple[str, int]] = field(default_factory=dict)
    instances: tuple[tuple[str, int, int], ...] = ()
    in_instances: Mapping[int, Mapping[int, tuple[str, int]]] = field(default_factory=dict)


class NvmlStub:
    """The library and its state in a folder of the test.

    Attributes:
        environment: with which a process finds it.
    """

    def __init__(self, folder: Path) -> None:
        assert COMPILER is not None
        self._state = folder / "nvml-state"
        source = Path(__file__).with_name("nvml_stub.c")
        library = folder / "libnvidia-ml.so.1"
        command = [COMPILER, "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", str(library), str(source)]
        subprocess.run(command, check=True, capture_output=True, text=True)
        paths = [str(folder), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        self.environment = {"LD_LIBRARY_PATH": ":".join(paths), "NVML_STUB_STATE": str(self._state)}

    def has(self, *gpus: StubGPU, driver: str = "580.95.05") -> None:
        """From the next look on these are the GPUs."""
        lines, before = [f"driver {driver}"], IN_INSTANCE
        for index, gpu in enumerate(gpus):
            free = (gpu.total - gpu.reserved - gpu.used) * MIB
            major, minor = gpu.capability
            lines.append(
                f"gpu {gpu.name}|GPU-{index}|{gpu.total * MIB}|{gpu.reserved * MIB}|{free}|{major}|{minor}"
                f"|{gpu.ecc}|{gpu.mig}|{int(gpu.memory)}"
            )
            lines += [f"process {index} {pid} {used * MIB} {name}" for pid, (name, used) in gpu.processes.items()]
            lines += [
                f"instance {index} {gpu.name} MIG {profile}|MIG-{index}-{number}|{total * MIB}|0|{(total - used) * MIB}"
                for number, (profile, total, used) in enumerate(gpu.instances)
            ]
            lines += [
                f"process {before + number} {pid} {used * MIB} {name}"
                for number, held in gpu.in_instances.items()
                for pid, (name, used) in held.items()
            ]
            before += len(gpu.instances)
        new = self._state.with_suffix(".new")
        new.write_text("\n".join(lines) + "\n")
        new.replace(self._state)

"""Tensor parallelism with one process: groups that exist, collectives that only allocate what the real ones would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import distributed

if TYPE_CHECKING:
    from torch.distributed import ProcessGroup

_SILENT = (
    "all_reduce",
    "broadcast",
    "all_gather_into_tensor",
    "reduce_scatter_tensor",
    "all_gather",
    "barrier",
    "send",
    "recv",
    "gather",
    "broadcast_object_list",
    "all_to_all_single",
)


def install() -> None:
    """Make torch's process groups fake ones."""
    new_group = distributed.new_group

    def fake_group(ranks: Any = None, *args: Any, **kwargs: Any) -> ProcessGroup:
        return new_group(ranks, backend="fake")

    module: Any = distributed
    module.new_group = fake_group
    for name in _SILENT:
        setattr(module, name, lambda *args, **kwargs: None)
    module.all_gather_object = lambda out, obj, *args, **kwargs: out.__setitem__(slice(None), [obj] * len(out))


def join(rank: int, ranks: int) -> None:
    """Start the default process group as this rank of ``ranks``."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    distributed.init_process_group("fake", rank=rank, world_size=ranks, store=FakeStore())


def replace_communicators(ranks: int) -> None:
    """NCCL lives outside torch's allocator; a collective's output is a new tensor beside its input.

    Source: 0.32 ``distributed/device_communicators/cuda_communicator.py``, ``pynccl.py`` (``all_reduce`` out of
    place), ``base_device_communicator.py`` (``all_gather``).
    """
    from vllm.distributed import parallel_state
    from vllm.distributed.device_communicators import cuda_communicator, pynccl, shm_broadcast

    def disabled(self: Any, *args: Any, **kwargs: Any) -> None:
        self.disabled, self.available, self.world_size, self.rank = True, False, ranks, 0

    def all_reduce(self: Any, tensor: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        return torch.empty_like(tensor)

    def all_gather(self: Any, tensor: torch.Tensor, dim: int = -1) -> torch.Tensor:
        dim, shape, size = dim % tensor.dim(), tuple(tensor.shape), self.world_size
        gathered = torch.empty((size * shape[0], *shape[1:]), dtype=tensor.dtype, device=tensor.device)
        gathered = gathered.reshape((size, *shape)).movedim(0, dim)
        return gathered.reshape((*shape[:dim], size * shape[dim], *shape[dim + 1 :]))

    def reduce_scatter(self: Any, tensor: torch.Tensor, dim: int = -1) -> torch.Tensor:
        dim, shape = dim % tensor.dim(), list(tensor.shape)
        shape[dim] //= self.world_size
        return torch.empty(shape, dtype=tensor.dtype, device=tensor.device)

    torch.cuda.can_device_access_peer = lambda *args: False  # no custom all-reduce: its buffers are not torch's
    parallel_state.in_the_same_node_as = lambda *args, **kwargs: [True] * ranks
    pynccl.PyNcclCommunicator.__init__ = disabled
    shm_broadcast.MessageQueue.create_from_process_group = staticmethod(lambda *args, **kwargs: None)
    communicator = cuda_communicator.CudaCommunicator
    communicator.all_reduce = all_reduce
    communicator.all_gather = all_gather
    communicator.reduce_scatter = reduce_scatter

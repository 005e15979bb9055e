"""What NVML says of this machine's GPUs.

Belongs here: NVML calls and the facts they become. Does not: interpretation (``gpu``), the Kubernetes API.
Called by ``vlmctl gpus --local`` and ``vlmctl plan --gpu local``.
"""

"""A program that runs inside a vLLM environment and lets vLLM itself load and profile a model, without a GPU.

Belongs here: the simulated CUDA device (allocator, values of small tensors, stand-ins of compiled operators), the calls
into vLLM, the report. Does not: what is made of the report; that is ``engine_facts``' and the callers'.

The package is data to the rest of the project: its files are shipped (``python -m dryrun`` with the folder above on the
path, or a ConfigMap with one key per file) and run by another Python. So it is flat, imports nothing of
``vlm_operator``, needs Python 3.10 and, beside the standard library, only torch and vLLM. ``caching_allocator``,
``storage_ledger``, ``request``, ``gpu`` and ``operator_rules`` do not need torch either and are tested without it.
"""

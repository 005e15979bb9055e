"""What vLLM does, keyed by its version: defaults, rules, flag spellings, log wordings.

Belongs here: every constant and rule that vLLM owns. Does not: models, GPUs, arithmetic over them.
Called by every room above it.
"""

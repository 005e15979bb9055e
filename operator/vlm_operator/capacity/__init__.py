"""How many bytes what takes: KV cache, weights, start-up memory, multimodal tokens.

Belongs here: pure arithmetic over model, GPU and engine facts. Does not: choosing flags (``planning``).
Called by ``planning``, and by ``vlmctl capacity`` and ``vlmctl tokens``.
"""

"""Multimodal tokens: what an image or a video costs in prompt and encoder tokens, per model family.

Belongs here: the processors' resizing, tiling and sampling as arithmetic. Does not: choosing limits (``planning``).
Called by ``capacity.startup``, ``planning`` and ``vlmctl tokens``.
"""

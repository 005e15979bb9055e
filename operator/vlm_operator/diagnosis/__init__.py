"""What a vLLM start-up log says: one typed failure or a start, its numbers, and what to change.

Belongs here: reading of log text. Does not: fetching logs (``controller``, ``cli``), choosing flags (``planning``).
Called by ``planning`` and ``lifecycle`` (results), ``controller`` and ``vlmctl diagnose`` (reader).
"""

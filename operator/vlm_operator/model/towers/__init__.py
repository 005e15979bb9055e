"""Vision towers: one description each gives its weights, its dimensions and what it holds in memory.

Belongs here: a class for each tower that vLLM builds, and the parts they share. Does not: which family has which tower
(``model.families``), bytes (``capacity``). Called by the families' records.
"""

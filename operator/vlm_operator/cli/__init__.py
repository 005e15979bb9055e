"""``vlmctl``: one thin file per command; data on stdout, words on stderr, exit codes as documented.

Belongs here: options in, output out. Does not: decisions or arithmetic.
Called by people and pipelines.
"""

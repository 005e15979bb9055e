"""Model families, a file each: a ``FAMILY`` record with what is known of one. ``model.registry`` finds them.

Belongs here: names, defaults, readers that one family alone needs. Does not: a tower, a processor or a language model
that several families share (``model.towers``, ``model.multimodal``, ``model.weights``).
"""

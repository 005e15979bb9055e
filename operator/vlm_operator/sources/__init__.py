"""Where model facts come from: a directory, the Hugging Face cache or Hub, the built-in catalogue.

Belongs here: file and network access that ends in ``ModelFacts``. Does not: interpretation of a config (``model``).
Called by ``cli`` and ``controller``.
"""

"""What a model is: facts read from its config.json and safetensors headers, per architecture.

Belongs here: pure readers of parsed JSON into frozen facts. Does not: file or network access (``sources``), bytes.
Called by ``capacity`` and ``planning`` (facts) and by ``sources`` (readers).
"""

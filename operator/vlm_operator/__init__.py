"""vlm-operator: serve vision-language models with vLLM with flags that fit the GPU.

The rooms, ground floor first: ``errors`` and ``units``; ``engine``; ``model`` and ``gpu``; ``capacity``;
``diagnosis``; ``planning``; ``api``; ``rendering``; ``lifecycle``; then the edges that do I/O:
``sources``, ``cli``, ``controller``, ``agent``. Imports point from a later room to an earlier one only.
"""

__version__ = "0.1.0"

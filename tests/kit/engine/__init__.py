"""Python environments with the code of vLLM releases, and small models for dry runs in them."""

"""Write objects as YAML: the same objects give the same bytes, and every YAML reader reads the same values.

Kubernetes reads YAML with rules between 1.1 and 1.2, PyYAML with 1.1. What either could take for a boolean, a number, a
time or null is quoted: ``yes``, ``y``, ``on``, ``1:30``, ``1e3``, ``0o7``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

import yaml

_LOOKS_LIKE_DATA: Final = re.compile(r"[-+]?\.?[0-9].*|[-+]?\..*|y|n|yes|no|on|off|true|false|null|~|<<|=", re.I | re.S)


class _Dumper(yaml.CSafeDumper):
    """Writes every object out in full, without anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    style = '"' if _LOOKS_LIKE_DATA.fullmatch(value) or not value.isprintable() else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(value), style=style)


_Dumper.add_multi_representer(str, _text)
_Dumper.add_representer(str, _text)


def to_yaml(objects: Iterable[Mapping[str, Any]]) -> str:
    """The objects as a stream of YAML documents, keys in the order they have, lists and strings on their lines.

    >>> print(to_yaml([{"kind": "X", "a": ["yes", "--port", "8000"]}]), end="")
    kind: X
    a:
    - "yes"
    - --port
    - "8000"
    """
    return yaml.dump_all(
        list(objects), Dumper=_Dumper, sort_keys=False, width=2**20, allow_unicode=True, default_flow_style=False
    )

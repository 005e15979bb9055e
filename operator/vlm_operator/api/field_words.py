"""Words about vLLM's flags as words about the fields of ``spec.engine`` that pin them."""

from __future__ import annotations

import re
from typing import Final

from vlm_operator.api.base import wire_name
from vlm_operator.engine.settings import FLAGS

_FIELDS: Final = {
    spelling: f"engine.{'.'.join(map(wire_name, flag.api.split('.')))}"
    for flag in FLAGS.values()
    if flag.api
    for spelling in flag.spellings
}
_FLAG: Final = re.compile(r"--(?P<no>no-)?(?P<name>[a-z0-9]+(?:-[a-z0-9]+)*)")


def in_fields(words: str) -> str:
    """The same words with each flag replaced by its field; flags that no field pins stay.

    >>> in_fields("Lower --max-model-len, or set --no-enable-prefix-caching or --swap-space.")
    'Lower engine.contextLength, or set engine.enablePrefixCaching to false or --swap-space.'
    """
    return _FLAG.sub(_field, words)


def _field(flag: re.Match[str]) -> str:
    field = _FIELDS.get(f"--{flag['name']}")
    if field is None:
        return flag[0]
    return f"{field} to false" if flag["no"] else field

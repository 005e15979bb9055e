"""Base of all API types: strict, frozen models whose rules hold in Python and on the API server alike.

A rule is written once: as CEL, which the CRD carries, and as a Python predicate beside it, which ``vlmctl`` applies
where there is no API server. A test gives both the same objects.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, TypeVar

from pydantic import (
    AfterValidator,
    AliasGenerator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from vlm_operator.errors import InputError


@dataclass(frozen=True, slots=True)
class Rule:
    """One validation rule of an object.

    Attributes:
        cel: expression of the CRD's ``x-kubernetes-validations``; ``self`` is the object.
        message: what is wrong and what to do about it.
        holds: the same rule on the Python model; None for rules about a change (``oldSelf``).
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Write the rule into the schema of the type it marks."""
        schema = handler(core_schema)
        schema.setdefault("x-kubernetes-validations", []).append(_validation(self))
        return schema


def _validation(rule: Rule) -> dict[str, str]:
    return {"rule": rule.cel, "message": rule.message}


_INITIALISMS: Final = {
    "limit_mm_per_prompt": "limitMMPerPrompt",
    "limit_mm_per_prompt_sizes": "limitMMPerPromptSizes",
    "mm_processor_kwargs": "mmProcessorKwargs",
    "media_io_kwargs": "mediaIOKwargs",
    "mm_encoder_tp_mode": "mmEncoderTPMode",
    "allow_fp8_kv_cache": "allowFP8KVCache",
    "budget_gib": "budgetGiB",
    "pod_uid": "podUID",
}


def wire_name(field: str) -> str:
    """How a field is spelled in YAML: camelCase, initialisms in capitals as Kubernetes has them.

    >>> wire_name("context_length"), wire_name("media_io_kwargs")
    ('contextLength', 'mediaIOKwargs')
    """
    return _INITIALISMS.get(field) or to_camel(field)


class ApiModel(BaseModel):
    """Base of every object of the API: frozen, no unknown fields, camelCase on the wire."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=AliasGenerator(alias=wire_name),
        populate_by_name=True,
        allow_inf_nan=False,
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """Rules across fields of this object."""

    @model_validator(mode="after")
    def _rules_hold(self) -> ApiModel:
        for rule in self.RULES:
            if rule.holds is not None and not rule.holds(self):
                raise PydanticCustomError("rule", "{message}", {"message": rule.message})
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        schema = handler.resolve_ref_schema(handler(core_schema))
        if cls.RULES:
            schema["x-kubernetes-validations"] = [_validation(rule) for rule in cls.RULES]
        return schema

    def to_wire(self) -> dict[str, Any]:
        """The object as JSON has it: camelCase, without what was not set."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class StatusModel(ApiModel):
    """Base of what the operator writes: a field of a newer operator is passed over, so that going back is possible."""

    model_config = ConfigDict(extra="ignore")


def ruled(rule: Rule) -> tuple[AfterValidator, Rule]:
    """A field or item type must keep ``rule``, in Python and on the API server."""

    def check(value: Any) -> Any:
        if rule.holds is not None and not rule.holds(value):
            raise PydanticCustomError("rule", "{message}", {"message": rule.message})
        return value

    return AfterValidator(check), rule


def matching(pattern: str, message: str) -> tuple[AfterValidator, Rule]:
    """A string must match ``pattern`` (the subset of regular expressions that Python and RE2 read alike)."""
    compiled = re.compile(pattern, re.ASCII)
    return ruled(
        Rule(
            cel=f"self.matches({_cel_string(f'^({pattern})$')})",
            message=message,
            holds=lambda value: compiled.fullmatch(value) is not None,
        )
    )


def _cel_string(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


Bool = StrictBool
Integer = StrictInt
Number = StrictFloat
Listed: Final = BeforeValidator(_listed)
"""Lists of JSON become tuples."""

_QUANTITY_PATTERN: Final = (
    r"([1-9][0-9]{0,14}(\.[0-9]{1,6})?|0\.[0-9]{0,5}[1-9])(Ki|Mi|Gi|Ti|KiB|MiB|GiB|TiB|k|M|G|T|kB|MB|GB|TB)?"
)
_QUANTITY_MESSAGE: Final = (
    "must be a size above zero: bytes, or a size such as 9Gi or 9GiB (2^30 bytes each), 9G or 9GB (10^9 bytes each)"
)
_QUANTITY_VALIDATOR, _QUANTITY_STRING_RULE = matching(_QUANTITY_PATTERN, _QUANTITY_MESSAGE)


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Quantity = Annotated[
    str,
    Field(max_length=32, json_schema_extra={"x-kubernetes-int-or-string": True}),
    BeforeValidator(_as_text),
    _QUANTITY_VALIDATOR,
    Rule(f"type(self) == string ? {_QUANTITY_STRING_RULE.cel} : self > 0", _QUANTITY_MESSAGE),
]
"""A size in bytes: a whole number, as Kubernetes writes it (``9Gi``) or as people do (``9GiB``)."""

Model = TypeVar("Model", bound=ApiModel)

DEEPEST: Final = 100
"""Lists and mappings inside one another; a pod template has some fifteen."""

_SHOWN_PATH: Final = 4
"""Parts of a field's path that an error about depth shows."""


def parse(model: type[Model], values: Mapping[str, Any], *, where: str = "") -> Model:
    """Read an object of the API.

    Args:
        where: put before every field in an error: the file, or the object's kind and name.

    Raises:
        InputError: unknown field, wrong type, value out of range, nested too deep or a rule broken; the message names
            every one.
    """
    _check_depth(values, where)
    try:
        return model.model_validate(values, by_alias=True, by_name=False)
    except ValidationError as error:
        problems = [_sentence(model, problem) for problem in error.errors(include_url=False)]
        field, _ = problems[0]
        text = "; ".join(f"{name}: {what}" if name else what for name, what in problems)
        raise InputError(
            f"{where}: {text}" if where else text,
            field=field or None,
            hint="`kubectl explain vlmdeployment.spec --recursive` and docs/reference/api.md list every field",
        ) from None


def _check_depth(values: Mapping[str, Any], where: str) -> None:
    """Refuse what is nested deeper than ``DEEPEST``: merging and writing recurse. Level by level, each object once."""
    level: list[tuple[tuple[str, ...], Any]] = [((), values)]
    for _ in range(DEEPEST + 1):
        below = {
            id(item): ((*path, str(key)) if len(path) < _SHOWN_PATH else path, item)
            for path, value in level
            for key, item in (value.items() if isinstance(value, Mapping) else enumerate(value))
            if isinstance(item, Mapping | list | tuple)
        }
        if not below:
            return
        level = list(below.values())
    field = ".".join(level[0][0])
    raise InputError(
        f"{f'{where}: ' if where else ''}{field}: nested deeper than {DEEPEST} lists and mappings",
        field=field,
    )


def _sentence(model: type[ApiModel], problem: Any) -> tuple[str, str]:
    # The error's location is a path of aliases and list positions, as the user wrote them.
    name = ""
    for part in problem["loc"]:
        if part == "[key]":  # pydantic's own word: the key is named before it
            continue
        name += f"[{part}]" if isinstance(part, int) else f".{part}" if name else str(part)
    value = problem.get("input")
    if problem["type"] == "extra_forbidden":
        near = difflib.get_close_matches(str(problem["loc"][-1]), _fields_at(model, problem["loc"][:-1]), 1)
        return name, "unknown field" + (f", did you mean {near[0]}?" if near else "")
    if problem["type"] == "missing":
        return name, "required, but missing"
    if problem["type"] in {"model_type", "model_attributes_type"}:
        fields = ", ".join(_fields_at(model, problem["loc"])[:6])
        of_fields = f" with fields such as {fields}" if fields else ""
        return name, f"{str(value)[:60]!r} is not valid: write a mapping{of_fields}"
    if problem["type"] in {"tuple_type", "list_type"}:
        return name, f"{str(value)[:60]!r} is not valid: write a list, each item on a line of its own after a dash"
    said = problem["msg"][:1].lower() + problem["msg"][1:]
    if isinstance(value, str | int | float | bool):
        return name, f"{str(value)[:60]!r} is not valid: {said}"
    return name, said


def _fields_at(model: type[ApiModel], path: tuple[Any, ...]) -> list[str]:
    here: type[ApiModel] = model
    for part in path:
        below = next((info for info in here.model_fields.values() if info.alias == part), None)
        inner = _model_of(below.annotation) if below else None
        if inner is None:
            return []
        here = inner
    return [str(info.alias) for info in here.model_fields.values()]


def _model_of(annotation: Any) -> type[ApiModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, ApiModel):
        return annotation
    return next((found for part in getattr(annotation, "__args__", ()) if (found := _model_of(part))), None)

"""A flag is declared once: every list, spelling and stored form follows from its declaration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from vlm_operator.api.engine_spec import EngineSpec, LoRASpec
from vlm_operator.api.extra_arguments import refused
from vlm_operator.engine.flag import Flag, Kind, Memory, flags_of
from vlm_operator.engine.flags import DEFAULTS, changes, shown_flags, to_arguments
from vlm_operator.engine.settings import FLAGS, EngineSettings, ModalityLimit
from vlm_operator.engine.settings_json import settings_from_json, settings_to_json
from vlm_operator.errors import InputError

ANOTHER_VALUE: dict[Kind, Any] = {
    Kind.COUNT: 7,
    Kind.TOKENS: 7,
    Kind.CONTEXT: 7,
    Kind.SIZE: 7,
    Kind.SHARE: 0.5,
    Kind.SWITCH: True,
    Kind.TOGGLE: False,
    Kind.NAME: "other",
    Kind.OBJECT: '{"a":1}',
    Kind.LIMITS: (("image", ModalityLimit(4, width=640, height=480)), ("video", ModalityLimit(0))),
    Kind.COUNTS: (1, 2, 4),
}
EVERYTHING = EngineSettings(**{name: ANOTHER_VALUE[flag.kind] for name, flag in FLAGS.items()})

EVERY_FLAG = pytest.mark.parametrize(
    ("name", "flag"), [pytest.param(name, flag, id=name) for name, flag in FLAGS.items() if flag.spelling]
)
NOT_ENGINE_SETTINGS = {"image", "vllm_version", "served_model_name", "extra_args", "limit_mm_per_prompt_sizes"}


def test_a_field_that_declares_no_flag_is_refused() -> None:
    @dataclass(frozen=True)
    class Settings:
        max_model_len: int = 1

    with pytest.raises(TypeError, match=r"Settings\.max_model_len declares no flag"):
        flags_of(Settings)


def test_a_spelling_stands_for_one_flag_only() -> None:
    spellings = [spelling for flag in FLAGS.values() for spelling in (*flag.spellings, flag.short) if spelling]
    assert sorted(spellings) == sorted(set(spellings))


@EVERY_FLAG
def test_a_flag_is_named_in_the_command_where_it_is_set(name: str, flag: Flag) -> None:
    unset = to_arguments(EngineSettings())
    changed = to_arguments(EngineSettings(**{name: ANOTHER_VALUE[flag.kind]}))
    assert unset != changed
    assert {flag.spelling, f"--no-{flag.spelling[2:]}"} & set(changed)


@EVERY_FLAG
def test_a_flag_of_the_plan_is_refused_in_extra_arguments(name: str, flag: Flag) -> None:
    taken = [spelling for spelling in (*flag.spellings, flag.short) if spelling and not refused(spelling)]
    assert taken == (list(flag.spellings) if flag.in_extra_arguments else [])


@EVERY_FLAG
def test_a_change_of_one_flag_is_told(name: str, flag: Flag) -> None:
    told = changes(EngineSettings(), EngineSettings(**{name: ANOTHER_VALUE[flag.kind]}))
    assert [change.name for change in told] == [name]
    assert str(told[0]).startswith(f"{flag.spelling} ")


def test_what_vllm_derives_is_no_change_of_the_command() -> None:
    derived = {name: ANOTHER_VALUE[flag.kind] for name, flag in FLAGS.items() if not flag.spelling}
    assert derived
    assert changes(EngineSettings(), EngineSettings(**derived)) == ()


def test_a_change_is_told_as_a_person_would_type_it() -> None:
    after = EngineSettings(
        media_io_kwargs='{"video":{"num_frames":32}}', limit_mm_per_prompt=ANOTHER_VALUE[Kind.LIMITS]
    )
    assert [str(change) for change in changes(EngineSettings(enforce_eager=True), after)] == [
        '--limit-mm-per-prompt default -> {"image":{"count":4,"height":480,"width":640},"video":0}',
        '--media-io-kwargs default -> {"video":{"num_frames":32}}',
        "--enforce-eager True -> False",
    ]


@EVERY_FLAG
def test_a_flag_that_is_set_is_shown(name: str, flag: Flag) -> None:
    assert (name in shown_flags(EngineSettings())) == flag.shown
    assert name in shown_flags(EngineSettings(**{name: ANOTHER_VALUE[flag.kind]}))


def test_settings_are_stored_and_read_back_whole() -> None:
    stored = settings_to_json(EVERYTHING)
    assert stored.keys() == FLAGS.keys()
    assert settings_from_json(stored) == EVERYTHING
    assert settings_to_json(EngineSettings()) == {}


def test_a_stored_flag_of_another_release_of_the_operator_is_not_lost_silently() -> None:
    with pytest.raises(InputError, match="'speed' is not a flag"):
        settings_from_json({"speed": 1})


def test_every_engine_field_of_the_api_pins_one_flag() -> None:
    pinned_by = [flag.api for flag in FLAGS.values() if flag.api is not None]
    fields = {*EngineSpec.model_fields, *(f"lora.{field}" for field in LoRASpec.model_fields)}
    assert sorted(pinned_by) == sorted(fields - NOT_ENGINE_SETTINGS)


def test_what_only_sizes_the_cache_or_does_nothing_is_not_what_is_taken() -> None:
    assert {name for name, flag in FLAGS.items() if flag.memory is Memory.CACHE} == {
        "gpu_memory_utilization",
        "kv_cache_dtype",
        "block_size",
    }
    assert {name for name, flag in FLAGS.items() if flag.memory is Memory.NONE} == {
        "max_model_len",
        "load_format",
        "trust_remote_code",
        "max_cpu_loras",
    }


def test_defaults_are_those_of_the_record() -> None:
    assert EngineSettings(**DEFAULTS) == EngineSettings()

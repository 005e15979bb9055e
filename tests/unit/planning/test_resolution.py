"""Flags left unset, as vLLM fills them in for this model on this GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import gpu, qwen3, qwen3_vl
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.planning.resolution import resolved
from vlm_operator.units import GIB

PREFIX = replace(qwen3_vl(), traits=replace(qwen3_vl().traits, prefix_attention=True))
"""A model whose images attend both ways, so that one of them must fit into a batch."""


def test_batch_and_utilization_follow_gpu_and_release() -> None:
    small = resolved(EngineSettings(), qwen3(), gpu("L4"), DEFAULT)
    large = resolved(EngineSettings(), qwen3(), gpu("H100"), DEFAULT)
    assert (small.max_num_seqs, small.max_num_batched_tokens) == (256, 2048)
    assert (large.max_num_seqs, large.max_num_batched_tokens) == (1024, 8192)
    assert resolved(EngineSettings(), qwen3(), gpu("L4"), EngineVersion(0, 19)).gpu_memory_utilization == 0.9
    assert small.gpu_memory_utilization == 0.92


def test_nvmls_total_decides_where_it_is_known() -> None:
    card = gpu("H100").with_(nvml_total_bytes=60 * GIB)
    assert resolved(EngineSettings(), qwen3(), card, DEFAULT).max_num_seqs == 256
    unknown = gpu("H100").with_(nvml_total_bytes=None, total_bytes=60 * GIB)
    assert resolved(EngineSettings(), qwen3(), unknown, DEFAULT).max_num_seqs == 256


def test_an_a100_is_told_by_its_devices_name_or_its_products() -> None:
    for named in ({"device_name": "NVIDIA A100-SXM4-80GB"}, {"device_name": "", "product": "NVIDIA-A100-SXM4-80GB"}):
        assert resolved(EngineSettings(), qwen3(), gpu("H100").with_(**named), DEFAULT).max_num_seqs == 256


def test_what_is_set_stays() -> None:
    flags = EngineSettings(max_num_seqs=3, max_num_batched_tokens=777, gpu_memory_utilization=0.5, max_model_len=1000)
    found = resolved(flags, qwen3(), gpu("L4"), DEFAULT)
    assert (found.max_num_seqs, found.max_num_batched_tokens) == (3, 777)
    assert (found.gpu_memory_utilization, found.max_model_len) == (0.5, 1000)


@pytest.mark.parametrize(("release", "raised"), [("0.20.2", False), ("0.22.1", True), ("0.32.0", True)])
def test_where_images_attend_both_ways_the_largest_fits_into_a_batch(release: str, raised: bool) -> None:
    version = EngineVersion.parse(release)
    plain = resolved(EngineSettings(max_model_len=32768), qwen3_vl(), gpu("L4"), version)
    prefix = resolved(EngineSettings(max_model_len=32768), PREFIX, gpu("L4"), version)
    assert plain.max_num_batched_tokens == 2048
    assert ((prefix.max_num_batched_tokens or 0) > 2048) is raised


@pytest.mark.parametrize(
    ("limits", "batch"),
    [
        pytest.param(None, 16_384, id="an image"),
        pytest.param((("image", ModalityLimit(0)),), 12_288, id="a video, where images are off"),
        pytest.param((("image", ModalityLimit(0)), ("video", ModalityLimit(0))), 2048, id="none, where both are"),
    ],
)
def test_the_batch_is_that_of_the_largest_item(limits: Any, batch: int) -> None:
    flags = EngineSettings(limit_mm_per_prompt=limits)
    assert resolved(flags, PREFIX, gpu("L4"), DEFAULT).max_num_batched_tokens == batch

"""Compare the token arithmetic with counts that vLLM's own multimodal processors gave.

Usage: python hack/oracle/mm_tokens.py FILE.jsonl [--model-configs DIR]

Each line of the file is one count: an item (image or video) or the largest item of a modality, with the flags it was
taken under. Prints families x cases; ends with 1 if any count differs.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vlm_operator.capacity.multimodal import Image, Video, image_tokens, largest_item_tokens, video_tokens
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.sources.token_rules import reduced_configs


def main(path: str, model_configs: Path | None = None) -> int:
    """Check every line of ``path``; 0 if all counts are equal, else 1."""
    cases = [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]
    folder = model_configs or Path(path).parent.parent / "model-configs"
    ids_file = Path(path).with_name("mm-model-ids.json")
    ids = json.loads(ids_file.read_text()) if ids_file.is_file() else {}
    counted: Counter[str] = Counter()
    differing: list[str] = []
    failed: Counter[str] = Counter()
    for case in cases:
        counted[case["family"]] += 1
        difference = _difference(case, folder, ids)
        if difference:
            failed[case["family"]] += 1
            differing.append(f"{case['id']}: {difference}")
    width = max(map(len, counted), default=6)
    print(f"{'family':{width}}  cases  equal")
    for family, count in counted.items():
        print(f"{family:{width}}  {count:5}  {count - failed[family]:5}")
    print(f"{'all':{width}}  {len(cases):5}  {len(cases) - len(differing):5}")
    for line in differing[:40]:
        print(line, file=sys.stderr)
    return 1 if differing or not cases else 0


def _difference(case: Mapping[str, Any], folder: Path, ids: Mapping[str, str]) -> str | None:
    """What differs, or None."""
    version = EngineVersion.parse(case["vllm"])
    try:
        facts = _facts(case, folder, ids)
        settings = _settings(case)
        if case["kind"] == "max_item":
            computed = largest_item_tokens(facts, settings, version).get(case["modality"])
            expected = case["max_tokens_per_item"]
            return None if computed == expected else f"largest {case['modality']} {computed}, vLLM {expected}"
        if case["modality"] == "image":
            item = image_tokens(facts, Image(case["width"], case["height"]), settings, version)
        else:
            video = Video(case["seconds"], case["source_fps"], case["width"], case["height"])
            item = video_tokens(facts, video, settings, version)
    except VlmOperatorError as error:
        reason = case.get("error", "").partition(": ")[2]
        return None if reason and reason in error.message else f"{type(error).__name__}: {error.message}"
    if "error" in case:
        return f"counted, vLLM says {case['error']}"
    for name, computed, key in (
        ("prompt", item.prompt_tokens, "tokens"),
        ("encoder", item.encoder_tokens, "feature_tokens"),
        ("frames", item.frames_sampled, "frames_sampled"),
    ):
        if computed != case.get(key):
            return f"{name} {computed}, vLLM {case.get(key)} ({_words(case)})"
    return None


def _words(case: Mapping[str, Any]) -> str:
    keys = ("width", "height", "seconds", "source_fps", "mm_processor_kwargs", "media_io_kwargs", "hf_overrides")
    return ", ".join(f"{key}={case[key]}" for key in keys if case.get(key))


def _facts(case: Mapping[str, Any], folder: Path, ids: Mapping[str, str]) -> MultimodalFacts:
    source = case.get("hf_config_source", "")
    if source.startswith("model-configs/"):
        config = json.loads((folder / f"{source.removeprefix('model-configs/')}.json").read_text())
    else:
        config = dict(reduced_configs()[ids[case["model"]]])
    facts = read_multimodal({**config, **(case.get("hf_overrides") or {})})
    if facts is None:
        raise ValueError(f"{case['id']}: the config describes a text model")
    return facts


def _settings(case: Mapping[str, Any]) -> EngineSettings:
    limits = case.get("limit_mm_per_prompt") or {}
    return EngineSettings(
        max_model_len=case.get("max_model_len"),
        mm_processor_kwargs=json.dumps(case.get("mm_processor_kwargs") or {}, sort_keys=True),
        media_io_kwargs=json.dumps(case.get("media_io_kwargs") or {}, sort_keys=True),
        limit_mm_per_prompt=tuple(
            (name, ModalityLimit(**limit) if isinstance(limit, dict) else ModalityLimit(limit))
            for name, limit in sorted(limits.items())
        )
        or None,
    )

"""The tokens of images as the real server counts them are those that ``vlmctl tokens`` counts."""

from __future__ import annotations

import base64
import json
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from model_servers import address, ask, ready, vlmd

from kit.control_plane import Cluster
from kit.real_node.checkpoints import VISION
from kit.real_node.node import RealNode

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

SIZES = ((64, 64), (320, 240), (640, 480), (1000, 700), (1280, 720), (300, 2000))


def png(width: int, height: int) -> bytes:
    """An image of one grey."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    rows = (b"\0" + b"\x80" * (3 * width)) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def prompt_tokens(where: str, *parts: dict[str, Any]) -> int:
    """Tokens of a request with these parts and one letter."""
    content = [*parts, {"type": "text", "text": "x"}]
    answer = ask(
        where, "/v1/chat/completions", model=VISION, messages=[{"role": "user", "content": content}], max_tokens=1
    )
    return int(answer["usage"]["prompt_tokens"])


def image_tokens(where: str, width: int, height: int) -> int:
    """Tokens that an image adds, as the server counts them."""
    url = f"data:image/png;base64,{base64.b64encode(png(width, height)).decode()}"
    return prompt_tokens(where, {"type": "image_url", "image_url": {"url": url}}) - prompt_tokens(where)


def counted(node: RealNode) -> dict[tuple[int, int], int]:
    """Tokens of the same images by ``vlmctl tokens``."""
    images = [argument for width, height in SIZES for argument in ("--image", f"{width}x{height}")]
    command = [str(Path(sys.executable).with_name("vlmctl")), "tokens", VISION, *images, "-o", "json"]
    environment = os.environ | {"HF_HOME": str(node.operator_cache), "HF_HUB_OFFLINE": "1"}
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    return {(item["width"], item["height"]): item["promptTokens"] for item in json.loads(printed)["items"]}


def test_images_of_all_shapes_take_the_tokens_that_vlmctl_counts(
    cluster: Cluster, namespace: str, node: RealNode
) -> None:
    workload = {"promptTokens": 100, "outputTokens": 100, "images": {"count": 1, "width": 1280, "height": 720}}
    cluster.apply(vlmd("sees", namespace, model={"id": VISION}, workload=workload))
    ready(cluster, namespace, "sees")
    where = address(cluster, namespace, "sees")
    assert {size: image_tokens(where, *size) for size in SIZES} == counted(node)

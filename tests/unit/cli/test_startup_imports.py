"""A command starts fast because it imports what it needs: these modules are for other commands."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CLUSTER = ("kubernetes", "pydantic", "jinja2", "yaml", "vlm_operator.api", "vlm_operator.rendering")
NETWORK = ("huggingface_hub", "requests", "httpx", "http.client", "ssl", "asyncio")
TABLES = ("rich",)
CONFIG_READERS = ("vlm_operator.model.reader", "vlm_operator.model.weights", "vlm_operator.model.cache_layers")
PLANNING = ("vlm_operator.planning", "vlm_operator.capacity.startup")
MODELS = ("vlm_operator.model", "vlm_operator.capacity", "vlm_operator.sources", "vlm_operator.planning")

LOG = Path(__file__).parents[2] / "data/vllm_logs/kv_cache_too_small.log.gz"
MODEL = "Qwen/Qwen3-VL-8B-Instruct"
RUN = """
import sys
from vlm_operator.cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as ended:
    assert not ended.code, ended.code
print(*sorted(sys.modules), file=sys.stderr)
"""


def imported_by(*arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.splitlines()[-1].split())


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        pytest.param(
            ("plan", MODEL, "--gpu", "NVIDIA-H100-80GB-HBM3", "-o", "json"),
            (*CLUSTER, *NETWORK, *TABLES, *CONFIG_READERS),
            id="plan",
        ),
        pytest.param(
            ("capacity", MODEL, "-o", "json"), (*CLUSTER, *NETWORK, *TABLES, *CONFIG_READERS, *PLANNING), id="capacity"
        ),
        pytest.param(
            ("tokens", MODEL, "--image", "1920x1080", "-o", "json"),
            (*CLUSTER, *NETWORK, *TABLES, *CONFIG_READERS, "vlm_operator.planning.choose"),
            id="tokens",
        ),
        pytest.param(("diagnose", str(LOG), "-o", "json"), (*CLUSTER, *NETWORK, *TABLES, *MODELS), id="diagnose"),
    ],
)
def test_a_command_imports_only_what_it_needs(arguments: tuple[str, ...], unneeded: tuple[str, ...]) -> None:
    modules = imported_by(*arguments)
    assert "vlm_operator.cli.main" in modules
    assert not modules & set(unneeded)

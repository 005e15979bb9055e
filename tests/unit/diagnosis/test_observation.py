"""Every figure that vLLM 0.8 to 0.33 prints while it starts is read, as printed."""

# ruff: noqa: E501 - log lines are quoted as they are printed

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.diagnosis import Outcome, diagnose, document

BUDGET = (
    "INFO 08-16 03:38:41 [gpu_worker.py:918] Free memory on device (30.9/31.4 GiB) on startup. Desired GPU memory "
    "utilization is (0.92, 28.88 GiB). Actual usage is 18.19 GiB for weight, 1.78 GiB for peak activation, 0.27 GiB for "
    "non-torch memory, and 0.45 GiB for CUDAGraph memory. Replace gpu_memory_utilization config with "
    "`--kv-cache-memory-bytes=8634705265` (8.04 GiB) to fit into requested memory, or `--kv-cache-memory-bytes="
    "10799912960` (10.06 GiB) to fully utilize gpu memory. Current kv cache memory in use is 8.18 GiB."
)
LINES: list[Any] = [
    pytest.param("INFO 01-13 11:35:21 model_runner.py:1099] Loading model weights took 14.9595 GB",
                 {"weights_gib": 14.9595}, id="weights before 0.8"),
    pytest.param("INFO 03-24 12:09:40 [gpu_model_runner.py:1176] Model loading took 0.2389 GB and 0.917760 seconds",
                 {"weights_gib": 0.2389}, id="weights 0.8.0"),
    pytest.param("INFO 08-31 08:03:46 [gpu_model_runner.py:1801] Model loading took 15.6271 GiB and 119.6 seconds",
                 {"weights_gib": 15.6271}, id="weights 0.9"),
    pytest.param("(EngineCore pid=311) INFO 06-08 00:11:58 [a.py:1] Model loading took 22.84 GiB memory and 1.2 seconds",
                 {"weights_gib": 22.84}, id="weights 0.14"),
    pytest.param("INFO 01-13 11:35:23 worker.py:241] the current vLLM instance can use total_gpu_memory (39.50GiB) x "
                 "gpu_memory_utilization (0.90) = 35.55GiB\nINFO 01-13 11:35:23 worker.py:241] model weights take "
                 "14.96GiB; non_torch_memory takes 0.10GiB; PyTorch activation peak memory takes 9.37GiB; the rest of the "
                 "memory reserved for KV Cache is 11.12GiB",
                 {"total_gib": 39.5, "utilization": 0.9, "requested_gib": 35.55, "weights_gib": 14.96,
                  "non_torch_gib": 0.1, "activation_gib": 9.37, "kv_gib": 11.12}, id="budget of V0"),
    pytest.param("INFO 04-04 06:27:00 [worker.py:267] model weights take 9.05GiB; non_torch_memory takes 0.03GiB; PyTorch "
                 "activation peak memory takes\n2.18GiB; the rest of the memory reserved for KV Cache is 3.54GiB.",
                 {"weights_gib": 9.05, "activation_gib": 2.18, "kv_gib": 3.54}, id="budget of V0 broken over lines"),
    pytest.param("INFO 01-13 11:35:23 gpu_executor.py:76] # GPU blocks: 5691, # CPU blocks: 2048",
                 {"gpu_blocks": 5691, "cpu_blocks": 2048}, id="blocks of V0"),
    pytest.param("INFO 10-18 09:54:36 [gpu_worker.py:298] Available KV cache memory: -1.81 GiB",
                 {"kv_gib": -1.81}, id="KV memory below zero"),
    pytest.param("INFO 03-24 12:09:44 [kv_cache_utils.py:537] GPU KV cache size: 3,581,232 tokens\nINFO 03-24 12:09:44 "
                 "[kv_cache_utils.py:540] Maximum concurrency for 2,048 tokens per request: 1748.65x",
                 {"kv_tokens": 3581232, "max_model_len": 2048, "concurrency": 1748.65}, id="KV tokens 0.8"),
    pytest.param("    (EngineCore pid=9) INFO 08-17 02:57:00 [kv_cache_utils.py:1869] GPU KV cache size: 313,650 tokens, "
                 "Maximum concurrency for 262,144 tokens per request: 1.20x",
                 {"kv_tokens": 313650, "max_model_len": 262144, "concurrency": 1.2}, id="KV tokens 0.28, indented"),
    pytest.param("INFO 03-24 12:09:53 [a.py:1499] Graph capturing finished in 9 secs, took 0.31 GiB",
                 {"secs": 9, "graph_gib": 0.31}, id="graphs"),
    pytest.param("INFO 03-24 12:09:53 [a.py:1499] Estimated CUDA graph memory: 0.17 GiB total",
                 {"graph_est_gib": 0.17}, id="graph estimate"),
    pytest.param("INFO 03-24 12:09:53 [a.py:9] CUDA graph pool memory: 0.45 GiB (actual), 0.46 GiB (estimated), x",
                 {"graph_gib": 0.45, "graph_est_gib": 0.46}, id="graph pool"),
    pytest.param(BUDGET,
                 {"free_gib": 30.9, "total_gib": 31.4, "utilization": 0.92, "requested_gib": 28.88, "weights_gib": 18.19,
                  "activation_gib": 1.78, "non_torch_gib": 0.27, "graph_gib": 0.45, "kv_gib": 8.18,
                  "kv_bytes_requested": 8634705265, "kv_bytes_gpu": 10799912960}, id="budget 0.26"),
    pytest.param("Actual usage is 74.75 GiB for consumed memory (weights + non-torch), 1.85 GiB for peak activation, and "
                 "0.28 GiB for CUDAGraph memory. Current kv cache memory in use is 11.76 GiB.",
                 {"consumed_gib": 74.75, "activation_gib": 1.85, "graph_gib": 0.28, "kv_gib": 11.76},
                 id="budget 0.27, quoted without its head"),
    pytest.param("INFO [gpu_model_runner.py:5920] Encoder cache will be initialized with a budget of 8192 tokens,\nand "
                 "profiled with 2 image items of the maximum feature size.",
                 {"encoder_budget": 8192, "items": 2, "modality": "image"}, id="encoder, broken over lines"),
    pytest.param("INFO 11-25 10:31:49 [kv.py:1] Auto-fit max_model_len: reduced from 131072 to 32640 to fit in available "
                 "KV cache memory (1.0 GiB GPU)", {"auto_fit_from": 131072, "auto_fit_to": 32640, "max_model_len": 32640},
                 id="auto fit"),
    pytest.param("INFO 11-25 10:31:49 [core.py:1] init engine (profile, create kv cache, warmup model) took 1.18 s",
                 {"seconds": 1.18}, id="engine initialisation"),
    pytest.param("WARNING 08-17 11:29:09 [interface.py:391] Using 'pin_memory=False' as WSL is detected. This may slow down",
                 {"platform": "WSL"}, id="WSL2"),
    pytest.param("INFO 08-17 11:29:09 [gpu_worker.py:397] Using V2 Model Runner", {"runner": "V2"}, id="runner"),
    pytest.param("INFO 06-08 00:11:58 [interface.py:670] Setting attention block size to 1168 tokens to ensure that",
                 {"block_size": 1168}, id="block size of a hybrid"),
    pytest.param("ValueError: Free memory on device (31.44/47.38 GiB) on startup is less than desired GPU memory "
                 "utilization (0.95, 45.01 GiB).", {"free_gib": 31.44, "total_gib": 47.38, "requested_gib": 45.01},
                 id="what a failure says of the budget"),
]  # fmt: skip


@pytest.mark.parametrize(("log", "figures"), LINES)
def test_figures_are_read_as_printed(log: str, figures: dict[str, Any]) -> None:
    seen = diagnose(log + "\n").observation
    assert {name: getattr(seen, name) for name in figures} == figures


def test_of_several_workers_the_tightest_figure_counts() -> None:
    log = "".join(
        f"(Worker_TP{rank} pid={rank}) INFO 01-20 18:51:00 [a.py:1] Model loading took {weights} GiB memory and 1 seconds\n"
        f"(Worker_TP{rank} pid={rank}) INFO 01-20 18:51:27 [a.py:1] Available KV cache memory: {left} GiB\n"
        for rank, weights, left in [(0, "7.89", "5.93"), (1, "8.01", "5.81"), (2, "7.50", "6.20")]
    )
    seen = diagnose(log).observation
    assert (seen.weights_gib, seen.kv_gib) == (8.01, 5.81)


def test_the_same_figure_printed_again_with_fewer_decimals_stays_as_it_was() -> None:
    log = "INFO 04-06 18:43:04 [a.py:1] Model loading took 0.8008 GiB\nmodel weights take 0.80GiB;\n"
    assert diagnose(log).observation.weights_gib == 0.8008


def test_a_draft_models_length_does_not_replace_the_models() -> None:
    log = "".join(f"INFO 08-16 03:37:13 [model.py:1] Using max model len {n}\n" for n in (196608, 4096))
    assert diagnose(log).observation.max_model_len == 196608


@pytest.mark.parametrize("digits", range(1, 6))
def test_a_figure_in_which_the_log_breaks_off_is_not_told(digits: int) -> None:
    line = "INFO 08-16 03:37:13 [model.py:1] Using max model len " + "196608"[:digits]
    assert diagnose(line).observation.max_model_len is None
    assert diagnose(line + "\n").observation.max_model_len == int("196608"[:digits])


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        pytest.param("{'model': 'a/b', 'max_model_len': 8192, 'gpu_memory_utilization': 0.85, 'enforce_eager': True}",
                     {"model": "a/b", "max_model_len": 8192, "gpu_memory_utilization": 0.85, "enforce_eager": True},
                     id="plain"),
        pytest.param("{'limit_mm_per_prompt': {'image': 4, 'video': 0}}",
                     {"limit_mm_per_prompt": {"image": 4, "video": 0}}, id="nested"),
        pytest.param("{'max_model_len': 196608, 'quantization_config': Spec(weight=Key(dtype=torch.float8)), 'port': 1}",
                     {"max_model_len": 196608, "port": 1}, id="objects that cannot be read are left out"),
        pytest.param("{'port': 1, 'model': 'a\0b', 'x': Spec()}", {"port": 1, "model": "a\0b"}, id="null bytes"),
        pytest.param("{" * 5000, {}, id="no dict"),
    ],
)  # fmt: skip
def test_flags_are_read_from_vllms_non_default_arguments(flags: str, expected: dict[str, Any]) -> None:
    log = f"(APIServer pid=1) INFO 11-23 22:02:53 [api_utils.py:286] non-default args: {flags}\n"
    assert diagnose(log).observation.flags == expected


@pytest.mark.parametrize(
    ("log", "outcome"),
    [
        ('INFO:     127.0.0.1:5 - "POST /v1/chat/completions HTTP/1.1" 200 OK\n', Outcome.STARTED),
        ('(APIServer pid=1) INFO:     127.0.0.1:5 - "GET /health HTTP/1.1" 200 OK\n', Outcome.STARTED),
        ('INFO:     127.0.0.1:5 - "GET /v1/models HTTP/1.1" 404 Not Found\n', Outcome.INCOMPLETE),
        ("INFO:     Application startup complete.\n", Outcome.STARTED),
    ],
)
def test_a_log_of_a_server_that_answers_is_of_one_that_started(log: str, outcome: Outcome) -> None:
    assert diagnose(log).outcome is outcome


COMPILED = "[backends.py:1] Compiling a graph for compile range (1, 2048) takes 31.20 s"
LOADED = "[backends.py:1] Directly load the compiled graph(s) for compile range (1, 2048) from the cache, took 1.2 s"
LOADED_AHEAD = "[decorators.py:1] Directly load AOT compilation from path /cache/torch_aot_compile/0a/rank_0_0/model"
SAVED_AHEAD = "[decorators.py:1] saved AOT compiled function to /cache/torch_aot_compile/0a/rank_0_0/model"
DIRECTORY = "[backends.py:1] Using cache directory: /cache/torch_compile_cache/0a/rank_0_0 for vLLM's torch.compile"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([DIRECTORY, COMPILED], "cold", id="a graph is compiled"),
        pytest.param(["[backends.py:1] Compiling a graph for dynamic shape takes 28.2 s"], "cold", id="0.11"),
        pytest.param(["[backends.py:1] Cache the graph for dynamic shape for later use"], "cold", id="stored"),
        pytest.param([DIRECTORY, LOADED], "warm", id="graphs are loaded"),
        pytest.param(["[backends.py:1] Directly load the compiled graph(s) for dynamic shape from the cache, took 2.1 s"],
                     "warm", id="0.11 from the cache"),
        pytest.param([LOADED_AHEAD], "warm", id="ahead of time"),
        pytest.param([LOADED_AHEAD.replace("] D", "] [backbone] D")], "warm", id="with the graph's name"),
        pytest.param([SAVED_AHEAD], "cold", id="saved ahead of time"),
        pytest.param([LOADED, SAVED_AHEAD], "warm", id="loaded, then saved ahead of time"),
        pytest.param([LOADED, COMPILED], "cold", id="one loaded, one compiled"),
        pytest.param(["[backends.py:1] vLLM's torch.compile cache is disabled."], "cold", id="no cache"),
        pytest.param(
            [LOADED_AHEAD, "[decorators.py:1] Compiling model again due to a load failure from /cache, reason: odd"],
            "cold", id="what was loaded did not fit",
        ),
        pytest.param([DIRECTORY, "[monitor.py:1] torch.compile took 47.94 s in total"], None, id="how long is no sign"),
        pytest.param([], None, id="eager"),
    ],
)  # fmt: skip
def test_whether_the_compile_cache_was_filled_is_read_from_what_was_compiled_or_loaded(
    lines: list[str], expected: str | None
) -> None:
    for head in (
        "(EngineCore pid=9) INFO 11-23 22:03:13 ",
        "2026-11-23 22:03:13.123 | (Worker pid=9) INFO 11-23 22:03:13 ",
    ):
        log = "".join(f"{head}{line}\n" for line in lines)
        assert document(diagnose(log))["observation"]["compileCache"] == expected


def test_the_document_has_the_figures_of_the_contract_even_where_the_log_has_none() -> None:
    assert document(diagnose(""))["observation"] == dict.fromkeys(
        ("weightsGiB", "kvGiB", "kvTokens", "concurrency", "graphGiB", "graphEstGiB", "freeGiB", "totalGiB",
         "requestedGiB", "activationGiB", "nonTorchGiB", "maxModelLen", "compileCache")
    )  # fmt: skip

"""Tests that the root cause is told: over wrappers, of the newest start, of the worst worker."""

from __future__ import annotations

import pytest

from vlm_operator.diagnosis import Diagnosis, FailureClass, KVCacheTooSmall, Outcome, OutOfMemory, diagnose

BANNER = "(APIServer pid=1) INFO 11-23 22:02:53 [api_utils.py:347]  ▄▄ ▄█ █     █     █ ▀▄▀ █  version {}\n"
SERVING = "INFO:     Application startup complete.\n"
WORKER = "(Worker_TP{} pid={}) ERROR 11-23 22:03:13 [multiproc_executor.py:953] {}\n"
ENGINE = "(EngineCore pid=2) ERROR 11-23 22:03:13 [core.py:1510] {}\n"
TOO_SMALL = (
    "ValueError: To serve at least one request with the model's max seq len (65536), ({} GiB KV cache is needed, which "
    "is larger than the available KV cache memory ({} GiB). Based on the available memory, the estimated maximum model "
    "length is {}. Try increasing `gpu_memory_utilization`"
)
OUT_OF_MEMORY = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate {} GiB. GPU {} has a total capacity of 79.15 GiB of "
    "which {} MiB is free. Including non-PyTorch memory, this process has 77.90 GiB memory in use. Of the allocated "
    "memory 75.00 GiB is allocated by PyTorch, and 18.97 MiB is reserved by PyTorch but unallocated."
)
WRAPPER = "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}"


def frames(*functions: str) -> list[str]:
    """A traceback through ``functions`` of vLLM, outermost first."""
    lines = ["Traceback (most recent call last):"]
    for function in functions:
        lines += [
            f'  File "/usr/lib/python3/site-packages/vllm/v1/worker/gpu_worker.py", line 9, in {function}',
            "    x",
        ]
    return lines


def reason(answer: Diagnosis) -> str | None:
    return answer.failure and answer.failure.reason


@pytest.mark.parametrize(
    ("functions", "stage"),
    [
        (("init_device",), "device_init"),
        (("load_model", "initialize_model"), "load"),
        (("determine_available_memory", "profile_run", "_dummy_run"), "profile"),
        (("determine_num_available_blocks", "profile_run", "execute_model"), "profile"),
        (("determine_available_memory", "profile_cudagraph_memory", "_allocate_kv_cache_tensors"), "graph_estimate"),
        (("initialize_from_config", "initialize_kv_cache", "_allocate_kv_cache_tensors"), "kv_alloc"),
        (("compile_or_warm_up_model", "capture_model", "_dummy_run"), "graph"),
        (("compile_or_warm_up_model", "_dummy_sampler_run"), "sampler"),
        (("run_busy_loop", "execute_model"), "serving"),
        (("somewhere_else",), None),
    ],
    ids=str,
)
def test_the_stage_of_an_out_of_memory_stands_in_its_traceback(functions: tuple[str, ...], stage: str | None) -> None:
    log = "".join(ENGINE.format(line) for line in [*frames(*functions), OUT_OF_MEMORY.format("2.00", 0, "448.00")])
    failure = diagnose(log).failure
    assert isinstance(failure, OutOfMemory)
    assert failure.stage == stage
    assert (failure.tried_alloc_bytes, failure.free_bytes) == (2 * 2**30, 448 * 2**20)
    assert failure.numbers["total"] == 79.15


def test_the_root_cause_wins_over_the_wrappers_after_it() -> None:
    log = ENGINE.format("EngineCore failed to start.") + ENGINE.format(TOO_SMALL.format("2.0", "1.0", 32640))
    log += "\n".join([*frames("cmd"), WRAPPER]) + "\n"
    answer = diagnose(log)
    assert reason(answer) == "KVCacheTooSmall"
    assert answer.failure is not None
    assert answer.failure.line == 2


def test_the_smallest_priority_wins_and_takes_what_it_lacks_from_the_same_failure() -> None:
    """The sampler's sentence has no bytes; the allocator's, which caused it, has."""
    sampler = "RuntimeError: CUDA out of memory occurred when warming up sampler with 1024 dummy requests. Please try"
    failure = diagnose(ENGINE.format(OUT_OF_MEMORY.format("4.00", 0, "448.00")) + ENGINE.format(sampler)).failure
    assert isinstance(failure, OutOfMemory)
    assert (failure.kind, failure.stage, failure.num_reqs) == ("sampler_out_of_memory", "sampler", 1024)
    assert failure.tried_alloc_bytes == 4 * 2**30


def test_one_failure_of_several_workers_has_the_worst_numbers_and_the_first_line() -> None:
    log = "".join(
        WORKER.format(rank, 100 + rank, OUT_OF_MEMORY.format(tried, rank, free))
        for rank, tried, free in [(3, "2.00", "448.00"), (1, "2.25", "65.38"), (0, "1.00", "900.00")]
    )
    failure = diagnose(log).failure
    assert isinstance(failure, OutOfMemory)
    assert (failure.line, failure.numbers["gpu"]) == (1, 3)
    assert (failure.numbers["tried_alloc"], failure.numbers["free"]) == (2.25, 65.38)


def test_sizes_of_different_units_are_compared_as_bytes() -> None:
    small = OUT_OF_MEMORY.format("2.00", 0, "448.00").replace("2.00 GiB", "900.00 MiB")
    failure = diagnose(WORKER.format(0, 1, small) + WORKER.format(1, 2, OUT_OF_MEMORY.format("2.00", 1, "1.0"))).failure
    assert isinstance(failure, OutOfMemory)
    assert (failure.numbers["tried_alloc"], failure.numbers["tried_alloc_unit"]) == (2.0, "GiB")


def test_engines_that_differ_give_the_tightest_figures() -> None:
    log = ENGINE.format(TOO_SMALL.format("2.0", "1.5", 49152)) + ENGINE.format(TOO_SMALL.format("2.0", "1.0", 32640))
    failure = diagnose(log).failure
    assert isinstance(failure, KVCacheTooSmall)
    assert (failure.available_bytes, failure.estimated_max_len) == (2**30, 32640)


def test_tracebacks_of_interleaved_workers_are_kept_apart() -> None:
    """Rank 0 runs out of memory while it loads, at the moment at which rank 1 reports a lost peer while it profiles."""
    lines = []
    loading = [*frames("load_model"), OUT_OF_MEMORY.format("2.00", 0, "448.00")]
    profiling = [*frames("determine_available_memory"), "RuntimeError: peer is gone"]
    for one, other in zip(loading, profiling, strict=True):
        lines += [WORKER.format(0, 10, one), WORKER.format(1, 11, other)]
    failure = diagnose("".join(lines)).failure
    assert failure is not None
    assert (failure.reason, failure.stage) == ("OutOfMemory", "load")


def test_a_sentence_that_breaks_over_lines_is_joined_for_each_process_apart() -> None:
    broken = TOO_SMALL.format("10.50", "4.25", 53040)
    pieces = [broken[:70], broken[70:200], broken[200:]]
    lines = []
    for piece in pieces:
        lines += [WORKER.format(0, 10, piece), WORKER.format(1, 11, "RuntimeError: cancelled")]
    failure = diagnose("".join(lines)).failure
    assert isinstance(failure, KVCacheTooSmall)
    assert (failure.line, failure.numbers["needed_gib"], failure.estimated_max_len) == (1, 10.5, 53040)


def test_what_a_request_could_not_fetch_is_not_why_a_server_died() -> None:
    log = BANNER.format("0.32.0") + SERVING
    log += "(APIServer pid=1) HTTPError: 404 Client Error: Not Found for url: https://example.org/cat.png\n"
    log += ENGINE.format("EngineCore encountered a fatal error.")
    log += "".join(ENGINE.format(line) for line in [*frames("run_busy_loop"), "ZeroDivisionError: division by zero"])
    answer = diagnose(log)
    assert answer.failure is not None
    assert (answer.outcome, answer.failure.message) == (Outcome.FAILED, "ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    "line",
    [
        "Error retrieving file list: 503 Server Error: Service Unavailable for url: https://hub/x, retrying 1 of 2",
        "PermissionError: [Errno 13] Permission denied: '/.config'",
        "ModuleNotFoundError: No module named 'nobody'",
    ],
)
def test_what_a_start_went_on_after_is_not_its_end(line: str) -> None:
    began = BANNER.format("0.32.0") + ENGINE.format(line)
    measured = "(EngineCore pid=2) INFO 11-23 22:03:14 [gpu_worker.py:9] Available KV cache memory: 48.21 GiB\n"
    assert diagnose(began).outcome is Outcome.FAILED
    assert diagnose(began + measured).outcome is Outcome.INCOMPLETE
    assert diagnose(began + measured + ENGINE.format("EngineCore failed to start.")).outcome is Outcome.FAILED


def test_a_peer_that_is_gone_is_not_the_cause() -> None:
    log = "[rank1]: RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:5] Connection closed by peer\n"
    log += "".join(ENGINE.format(line) for line in [*frames("load_model"), "ZeroDivisionError: division by zero"])
    failure = diagnose(log).failure
    assert failure is not None
    assert failure.message == "ZeroDivisionError: division by zero"


def test_the_assertion_that_failed_names_a_checkpoint_of_another_shape() -> None:
    source = ["    assert param_data.shape == loaded_weight.shape", "           ^^^^^^^^^^^^^^^^"]
    log = "".join(ENGINE.format(line) for line in [*frames("load_model"), *source, "AssertionError"])
    assert reason(diagnose(log)) == "CheckpointUnreadable"


def test_a_failure_from_which_the_start_recovered_is_none() -> None:
    log = BANNER.format("0.32.0") + ENGINE.format(OUT_OF_MEMORY.format("2.00", 0, "448.00")) + SERVING
    answer = diagnose(log)
    assert (answer.outcome, answer.failure) == (Outcome.STARTED, None)


def test_a_restart_in_the_same_log_is_judged_by_the_newest_start() -> None:
    first = BANNER.format("0.31.0") + ENGINE.format(TOO_SMALL.format("2.0", "1.0", 32640))
    second = BANNER.format("0.32.0") + SERVING
    answer = diagnose(first + second)
    assert (answer.outcome, answer.failure, answer.vllm_version) == (Outcome.STARTED, None, "0.32.0")
    assert reason(diagnose(second + first)) == "KVCacheTooSmall"
    assert diagnose(first + BANNER.format("0.32.0")).outcome is Outcome.INCOMPLETE


REQUEST = "ValueError: The decoder prompt (length 9312) is longer than the maximum model length of 8192. Make sure that"


def test_a_request_that_a_healthy_server_refused_is_told_and_the_server_is_started() -> None:
    answer = diagnose(BANNER.format("0.32.0") + SERVING + ENGINE.format(REQUEST))
    assert (answer.outcome, reason(answer)) == (Outcome.STARTED, "PromptTooLong")
    assert answer.failure is not None
    assert answer.failure.failure_class is FailureClass.REQUEST
    assert answer.advice[0].why.startswith("The prompt is 1120 tokens too many for 8192: shorten it")


@pytest.mark.parametrize(
    "line",
    [
        "ValueError: Failed to load image: cannot identify image file",
        "OSError: nobody/adapter is not a local folder and is not a valid model identifier listed on 'https://x'",
        "KeyError: 'tool_calls'",
    ],
)
def test_what_goes_wrong_in_a_request_of_a_running_server_is_no_failed_start(line: str) -> None:
    answer = diagnose(BANNER.format("0.32.0") + SERVING + "".join(ENGINE.format(each) for each in [*frames("f"), line]))
    assert (answer.outcome, answer.failure) == (Outcome.STARTED, None)


def test_a_running_engine_that_dies_has_failed() -> None:
    log = BANNER.format("0.32.0") + SERVING + ENGINE.format("EngineCore encountered a fatal error.")
    log += "".join(ENGINE.format(each) for each in [*frames("run_busy_loop"), OUT_OF_MEMORY.format("1.00", 0, "9.00")])
    answer = diagnose(log)
    assert (answer.outcome, reason(answer)) == (Outcome.FAILED, "OutOfMemory")
    assert answer.failure is not None
    assert answer.failure.stage == "serving"


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        pytest.param([], "KeyError: 'a'", id="one exception"),
        pytest.param(
            ["", "The above exception was the direct cause of the following exception:", "", *frames("g"),
             "RuntimeError: could not compile"], "KeyError: 'a'", id="the direct cause",
        ),
        pytest.param(
            ["", "During handling of the above exception, another exception occurred:", "", *frames("g"),
             "TypeError: unexpected keyword"], "TypeError: unexpected keyword", id="raised while handling",
        ),
        pytest.param(["", *frames("g"), WRAPPER], "KeyError: 'a'", id="a wrapper after it"),
    ],
)  # fmt: skip
def test_an_unknown_failure_tells_its_deepest_exception(tail: list[str], expected: str) -> None:
    answer = diagnose("\n".join([*frames("f"), "KeyError: 'a'", *tail]) + "\n")
    assert (answer.outcome, reason(answer)) == (Outcome.FAILED, "Unknown")
    assert answer.failure is not None
    assert answer.failure.message == expected
    assert not answer.failure.retunable


@pytest.mark.parametrize(
    ("log", "expected"),
    [
        pytest.param(ENGINE.format(WRAPPER), "Unknown", id="nothing but a wrapper"),
        pytest.param(
            ENGINE.format("Worker proc VllmWorker-0 died unexpectedly (exit code: -9), shutting down executor."),
            "WorkerDied", id="killed without a word",
        ),
        pytest.param(
            "".join(ENGINE.format(each) for each in [*frames("f"), "AssertionError: odd"])
            + ENGINE.format("Worker proc VllmWorker-0 died unexpectedly (exit code: 1), shutting down executor."),
            "Unknown", id="died of an exception that nobody named",
        ),
        pytest.param(
            ENGINE.format("Worker proc VllmWorker-0 died unexpectedly (exit code: -7), shutting down executor."),
            "SharedMemoryTooSmall", id="killed by SIGBUS",
        ),
        pytest.param(
            "Exception ignored in: <function f at 0x7f>\n" + "\n".join([*frames("f"), "AttributeError: gone"]) + "\n",
            None, id="ignored by Python",
        ),
        pytest.param("x.py:1: UserWarning: CUDA initialization: CUDA error: out of memory\n", None, id="a warning"),
        pytest.param("", None, id="empty"),
    ],
)  # fmt: skip
def test_last_resorts(log: str, expected: str | None) -> None:
    assert reason(diagnose(log)) == expected


def test_an_exception_after_which_the_start_goes_on_is_no_failure() -> None:
    log = "\n".join([*frames("report_usage"), "ConnectionError: no route"]) + "\n"
    assert reason(diagnose(log)) == "Unknown"
    went_on = "(EngineCore pid=2) INFO 11-23 22:03:13 [a.py:1] Model loading took 14.37 GiB memory and 1.0 seconds\n"
    assert diagnose(log + went_on).outcome is Outcome.INCOMPLETE
    assert reason(diagnose(log + went_on + ENGINE.format(WRAPPER))) == "Unknown"


def test_a_neighbours_web_server_does_not_make_ours_answer() -> None:
    """What ``docker compose logs`` prints of two services."""
    ours = "".join(f"vllm-1  | {line}\n" for line in (BANNER + ENGINE).format("0.32.0", "ValueError: odd").splitlines())
    assert diagnose("webui-1 | " + SERVING + ours + "webui-1 | " + SERVING).outcome is Outcome.FAILED
    assert diagnose(ours + "vllm-1  | " + SERVING).outcome is Outcome.STARTED


def test_a_record_that_containerd_cut_is_put_together() -> None:
    record = ENGINE.format(TOO_SMALL.format("10.50", "4.25", 53040)).rstrip()
    stamp = "2025-11-23T22:03:13.123456789Z stderr"
    log = f"{stamp} F first\n{stamp} P {record[:110]}\n{stamp} P {record[110:180]}\n{stamp} F {record[180:]}\n"
    failure = diagnose(log).failure
    assert isinstance(failure, KVCacheTooSmall)
    assert (failure.line, failure.numbers["needed_gib"], failure.estimated_max_len) == (2, 10.5, 53040)


@pytest.mark.parametrize(
    "prefix",
    ["qwen-7f9c vllm ", "{}:", "{:>6}\t", "> ", "(task, pid=2150) ", "2026-01-02 03:04:{:02} | INFO | runner:{} - "],
    ids=["stern", "grep -n", "cat -n", "a quotation", "a launcher", "a logger that passes lines on"],
)
def test_a_prefix_that_nobody_knows_is_learnt_from_a_traceback(prefix: str) -> None:
    lines = [*frames("load_model"), "OddError: nobody names this"]
    log = "".join(f"{prefix.format(number, number)}{line}\n" for number, line in enumerate(lines, 8))
    failure = diagnose(log).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("Unknown", "OddError: nobody names this")


@pytest.mark.parametrize(
    "line",
    ["Fatal Python error: Segmentation fault", "Aborted (core dumped)", "!!!!!!! Segfault encountered !!!!!!!",
     "terminate called after throwing an instance of 'c10::Error'"],
)  # fmt: skip
def test_a_crash_without_an_exception_is_unknown_and_told(line: str) -> None:
    failure = diagnose(BANNER.format("0.32.0") + line + "\n").failure
    assert failure is not None
    assert (failure.reason, failure.message, failure.line) == ("Unknown", line, 2)


def test_where_nothing_but_a_wrapper_stands_its_figures_are_told() -> None:
    failure = diagnose(WRAPPER.format("{'EngineCore_DP0': 1}") + "\n").failure
    assert failure is not None
    assert failure.numbers == {"procs": "{'EngineCore_DP0': 1}"}


TOLD = (
    "RuntimeError: Worker failed with error 'mat1 and mat2 shapes cannot be multiplied (7x9 and 8x9)', please check the"
)
DIED = "Worker proc VllmWorker-{} died unexpectedly (exit code: {}), shutting down executor."


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([TOLD, DIED.format(0, 1)], ("Unknown", "mat1 and mat2"), id="quoted, then the worker ended"),
        pytest.param([DIED.format(0, -9), TOLD], ("Unknown", "mat1 and mat2"), id="quoted after others were killed"),
        pytest.param(
            ["EngineCore failed to start.", TOLD, DIED.format(0, 1)], ("Unknown", "mat1 and mat2"),
            id="after a sentence that quotes nothing",
        ),
        pytest.param(
            [*frames("load_model"), "OddError: shapes differ", DIED.format(0, 1)], ("Unknown", "shapes differ"),
            id="raised, then the worker ended",
        ),
        pytest.param(
            [*frames("load_model"), "OddError: shapes differ", TOLD], ("Unknown", "shapes differ"), id="raised deeper",
        ),
        pytest.param(
            [TOLD.replace("mat1 and mat2 shapes cannot be multiplied", "cancelled"), DIED.format(0, -9)],
            ("WorkerDied", "VllmWorker-0"), id="quoted is only that others were cancelled",
        ),
        pytest.param(
            [TOLD.replace("mat1 and mat2", "CUDA out of memory. Tried to allocate 2.00 GiB and mat2"),
             DIED.format(0, 1)], ("OutOfMemory", "Tried to allocate"), id="quoted is a known sentence",
        ),
    ],
)  # fmt: skip
def test_an_exception_that_is_told_beats_the_death_that_follows_from_it(
    lines: list[str], expected: tuple[str, str]
) -> None:
    failure = diagnose(BANNER.format("0.28.0") + "".join(ENGINE.format(line) for line in lines)).failure
    assert failure is not None
    assert failure.reason == expected[0]
    assert expected[1] in failure.message


@pytest.mark.parametrize("architectures", ["dict_keys([{}])", "{{{}}}", "[{}]"], ids=["keys", "set", "list"])
def test_a_message_shows_the_first_names_of_a_registry(architectures: str) -> None:
    names = architectures.format(", ".join(f"'Model{number}ForCausalLM'" for number in range(350)))
    sentence = "ValueError: Model architectures ['OddForCausalLM'] are not supported for now. Supported architectures: "
    failure = diagnose(BANNER.format("0.19.0") + ENGINE.format(sentence + names)).failure
    assert failure is not None
    assert failure.reason == "ArchitectureUnsupported"
    assert failure.numbers["archs"] == "['OddForCausalLM']"
    assert failure.message.endswith("'Model2ForCausalLM', and more")
    assert len(failure.message) < 250


def test_a_message_is_short_enough_for_an_event() -> None:
    failure = diagnose(ENGINE.format("ValueError: " + "odd words " * 300)).failure
    assert failure is not None
    assert len(failure.message) == 700


def test_a_log_in_utf_16_is_read() -> None:
    log = ENGINE.format(TOO_SMALL.format("2.0", "1.0", 32640)).encode("utf-16")
    assert reason(diagnose(log)) == "KVCacheTooSmall"
    assert reason(diagnose(log[start : start + 1] for start in range(len(log)))) == "KVCacheTooSmall"


def test_a_log_without_a_sign_of_vllm_is_not_recognised() -> None:
    assert not diagnose("hello\nworld\n").recognised
    assert diagnose(BANNER.format("0.32.0")).recognised


@pytest.mark.parametrize(
    ("line", "version"),
    [
        (BANNER.format("0.32.0"), "0.32.0"),
        ("(APIServer pid=1) INFO 12-22 14:22:07 [api_server.py:1772] vLLM API server version 0.12.0\n", "0.12.0"),
        ("INFO 12-22 14:22:07 [core.py:93] Initializing a V1 LLM engine (v0.13.0+abc.nv26.01) with config: x\n",
         "0.13.0+abc.nv26.01"),
        ("(APIServer pid=6539) INFO 04-18 20:22:57 [utils.py:299] version 0.19.0\n", "0.19.0"),
        ("INFO 04-18 20:22:57 [pynccl.py:70] vLLM is using nccl==2.27.3, CUDA version 12.8\n", None),
    ],
)  # fmt: skip
def test_the_version_is_the_one_vllm_prints(line: str, version: str | None) -> None:
    assert diagnose(line).vllm_version == version

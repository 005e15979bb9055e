"""vLLM refuses its flags in hundreds of sentences: what tells them is who raises them, not their words."""

from __future__ import annotations

import pytest

from vlm_operator.diagnosis import FailureClass, Outcome, UnsupportedConfiguration, diagnose
from vlm_operator.diagnosis.failure import NodeFailure

RECORD = "(APIServer pid=1) "
FLAGS = "(APIServer pid=1) INFO 11-23 22:02:53 [api_utils.py:286] non-default args: {}\n"


def raised(error: str, *files: str) -> str:
    """A traceback through ``files``, outermost first, that ends in ``error``."""
    frames = "".join(f'{RECORD}  File "/usr/lib/python3/site-packages/{file}", line 9, in f\n' for file in files)
    lines = "".join(f"{RECORD}{line}\n" for line in error.split("\n"))
    return f"{RECORD}Traceback (most recent call last):\n{frames}{lines}"


@pytest.mark.parametrize(
    "file",
    ["vllm/config/speculative.py", "vllm/config.py", "vllm/engine/arg_utils.py", "vllm/platforms/cuda.py",
     "vllm/entrypoints/cli/serve.py", "vllm/lora/peft_helper.py"],
)  # fmt: skip
def test_what_the_checks_of_flags_raise_is_a_refusal(file: str) -> None:
    answer = diagnose(raised("ValueError: draft_depth=7 must be smaller than beam_width=4", "vllm/v1/llm.py", file))
    assert answer.failure is not None
    assert (answer.outcome, answer.failure.reason) == (Outcome.FAILED, "ConfigurationRejected")
    assert answer.failure.failure_class is FailureClass.CONFIGURATION
    assert answer.failure.message == "ValueError: draft_depth=7 must be smaller than beam_width=4"


@pytest.mark.parametrize(
    ("error", "files"),
    [
        pytest.param("ValueError: shapes differ", ("vllm/config/vllm.py", "vllm/v1/worker/worker.py"), id="deeper"),
        pytest.param("KeyError: 'rope_type'", ("vllm/config/model.py",), id="a defect, no refusal"),
        pytest.param("ValueError: shapes differ", ("transformers/config/x.py",), id="another package"),
    ],
)
def test_what_others_raise_stays_unknown(error: str, files: tuple[str, ...]) -> None:
    failure = diagnose(raised(error, *files)).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("Unknown", error)


@pytest.mark.parametrize(
    ("error", "file", "reason"),
    [
        pytest.param("ValueError: moe_wna16 only takes gptq", "vllm/model_executor/layers/quantization/moe_wna16.py",
                     "ConfigurationRejected", id="a quantisation"),
        pytest.param("NotImplementedError: LoRA is not supported for these experts",
                     "vllm/model_executor/layers/fused_moe/experts/x.py", "ConfigurationRejected", id="experts"),
        pytest.param("NotImplementedError: this backend requires a head size of 128", "vllm/v1/attention/backends/x.py",
                     "AttentionBackendUnsupported", id="an attention backend"),
        pytest.param("ValueError: Unsupported projector: odd", "vllm/model_executor/models/odd_vl.py",
                     "ArchitectureUnsupported", id="a model"),
        pytest.param("ValueError: windows of two sizes are not supported", "vllm/v1/core/kv_cache_planning.py",
                     "KVLayoutUnsupported", id="the layout of the KV cache"),
        pytest.param("ValueError: too many values to unpack", "vllm/model_executor/models/odd_vl.py", "Unknown",
                     id="a fault of a model's code"),
        pytest.param("AssertionError: only one group", "vllm/v1/attention/backends/x.py", "Unknown", id="an assertion"),
        pytest.param("ValueError: only one group", "vllm/beam_search.py", "Unknown", id="another file"),
    ],
)  # fmt: skip
def test_a_refusal_of_kernels_and_models_is_told_by_its_file_and_its_words(error: str, file: str, reason: str) -> None:
    answer = diagnose(raised(error, "vllm/v1/worker/worker.py", file))
    assert answer.failure is not None
    assert (answer.failure.reason, answer.failure.message) == (reason, error)
    assert answer.advice


def test_what_a_request_is_refused_for_while_serving_is_no_refusal_of_flags() -> None:
    log = f'{RECORD}Traceback (most recent call last):\n{RECORD}  File "site-packages/vllm/v1/engine/core.py", line 9, '
    log += f'in run_busy_loop\n{RECORD}  File "site-packages/vllm/v1/attention/backends/x.py", line 9, in f\n'
    failure = diagnose(log + f"{RECORD}ValueError: only one group is supported\n").failure
    assert failure is not None
    assert failure.reason == "Unknown"


def test_an_import_that_fails_is_a_matter_of_the_image_whatever_its_words() -> None:
    failure = diagnose(raised("ImportError: fluxlib is required for flux", "vllm/v1/worker/worker.py")).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("DependencyMissing", "ImportError: fluxlib is required for flux")


def test_advice_names_the_flags_of_the_sentence_with_their_values() -> None:
    log = FLAGS.format({"mamba_block_size": 512}) + raised(
        "ValueError: --mamba-block-size can only be set with --enable-prefix-caching", "vllm/config/vllm.py"
    )
    advice = diagnose(log).advice
    assert [(each.flag, each.from_) for each in advice] == [
        ("--mamba-block-size", 512),
        ("--enable-prefix-caching", None),
    ]


@pytest.mark.parametrize(
    ("config", "field", "complaint", "flags", "flag"),
    [
        pytest.param(
            "CacheConfig",
            "gpu_memory_utilization",
            "Input should be less than or equal to 1 [type=less_than_equal, input_value=90.0, input_type=float]",
            {"gpu_memory_utilization": 90.0},
            "--gpu-memory-utilization",
            id="a value out of range",
        ),
        pytest.param(
            "SpeculativeConfig",
            "num_tokens",
            "Unexpected keyword argument [type=unexpected_keyword_argument, input_value=3, input_type=int]",
            {"speculative_config": {"num_tokens": 3}},
            "--speculative-config",
            id="an unknown key of a JSON flag",
        ),
        pytest.param(
            "CacheConfig",
            "cache_dtype",
            "Input should be 'auto', 'fp8' or 'fp8_e5m2' [type=literal_error, input_value='int8', input_type=str]",
            {},
            None,
            id="a flag that the log does not name",
        ),
    ],
)
def test_a_field_that_cannot_be_read_is_named(
    config: str, field: str, complaint: str, flags: dict[str, object], flag: str | None
) -> None:
    log = FLAGS.format(flags) + raised(
        f"pydantic_core._pydantic_core.ValidationError: 1 validation error for {config}\n{field}\n  {complaint}",
        "pydantic/_internal/_dataclasses.py",
    )
    answer = diagnose(log)
    assert isinstance(answer.failure, UnsupportedConfiguration)
    assert (answer.failure.reason, answer.failure.arg) == ("UnknownArgument", field)
    assert answer.advice[0].flag == flag
    assert field in answer.advice[0].why


def test_a_request_that_pydantic_refuses_is_no_refusal_of_flags() -> None:
    log = raised(
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for ChatCompletionRequest\n"
        "  Value error, messages must not be empty [type=value_error, input_value={}, input_type=dict]"
    )
    failure = diagnose(log).failure
    assert failure is not None
    assert failure.reason == "Unknown"


def test_the_reason_that_a_validation_quotes_wins_over_the_refusal() -> None:
    log = raised(
        "pydantic_core._pydantic_core.ValidationError: 1 validation error for VllmConfig\n"
        "  Value error, Total number of attention heads (64) must be divisible by tensor parallel size (3). "
        "[type=value_error, input_value=ArgsKwargs((), {}), input_type=ArgsKwargs]"
    )
    failure = diagnose(log).failure
    assert failure is not None
    assert failure.reason == "TensorParallelNotDivisible"


@pytest.mark.parametrize(
    ("code", "cause"),
    [(-9, "WorkerDied"), (-11, "WorkerDied"), (-15, "Unknown")],
    ids=["killed", "crashed", "ended by the others"],
)
def test_a_worker_that_the_others_ended_is_not_the_cause(code: int, cause: str) -> None:
    log = raised("RuntimeError: the flux is low", "vllm/v1/worker/worker.py")
    log += (
        f"ERROR 03-21 20:15:44 [multiproc_worker_utils.py:124] Worker VllmWorkerProcess pid 42 died, exit code: {code}"
    )
    failure = diagnose(log).failure
    assert failure is not None
    assert failure.reason == cause


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Killed", "WorkerDied"),
        ("/app/start.sh: line 12:    27 Killed                  vllm serve /models/m", "WorkerDied"),
        ("Killed the idle connection", None),
    ],
)
def test_a_shell_tells_that_the_server_was_killed(line: str, reason: str | None) -> None:
    log = (
        f"(EngineCore pid=2) INFO 11-23 22:03:14 [gpu_model_runner.py:9] Starting to load model /models/m...\n{line}\n"
    )
    failure = diagnose(log).failure
    assert (failure and failure.reason) == reason


def test_cudas_error_number_tells_what_to_do_on_the_node() -> None:
    answer = diagnose(
        raised(
            "RuntimeError: Unexpected error from cudaGetDeviceCount(). Did you run some cuda functions before calling "
            "NumCudaDevices() that might have already set an error? Error 802: system not yet initialized"
        )
    )
    assert isinstance(answer.failure, NodeFailure)
    assert (answer.failure.reason, answer.failure.code) == ("NoGPUVisible", 802)
    assert "fabricmanager" in answer.advice[0].why


def test_a_thread_whose_failure_harms_nobody_is_not_the_cause() -> None:
    log = "Exception in thread Thread-1 (_report_usage_worker):\n"
    log += raised("PermissionError: [Errno 13] Permission denied: '/.config'", "vllm/usage/usage_lib.py").replace(
        RECORD, ""
    )
    assert diagnose(log).failure is None
    failure = diagnose(log + raised("FluxError: the flux is low", "vllm/v1/worker/worker.py")).failure
    assert failure is not None
    assert (failure.reason, failure.message) == ("Unknown", "FluxError: the flux is low")


@pytest.mark.parametrize(
    ("error", "flag", "to", "words"),
    [
        pytest.param(
            "NotImplementedError: Pipeline parallelism is not supported for this model.",
            "--pipeline-parallel-size", None, "message names it", id="a topic",
        ),
        pytest.param(
            "ValueError: LoRA rank 64 is greater than max_lora_rank 16.",
            "--max-lora-rank", 64, "adapter", id="a figure of the sentence",
        ),
        pytest.param(
            "RuntimeError: Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must",
            "VLLM_WORKER_MULTIPROC_METHOD", "spawn", "fork", id="an environment variable",
        ),
        pytest.param(
            "ValueError: VLLM_PORT 'tcp://10.0.0.7:8000' appears to be a URI. This may be caused by a Kubernetes",
            None, None, "enableServiceLinks", id="a Service named vllm",
        ),
        pytest.param(
            "RuntimeError: The NVIDIA driver on your system is too old (found version 12020). Please update",
            None, None, "driver", id="an old driver",
        ),
        pytest.param(
            "ImportError: Please install bitsandbytes>=0.46.1 via `pip install bitsandbytes>=0.46.1` to use it",
            None, None, "bitsandbytes>=0.46.1", id="a package",
        ),
        pytest.param(
            "ImportError: cannot import name 'NobodyConfig' from 'transformers' (/usr/lib/x.py)",
            None, None, "transformers has NobodyConfig", id="another version of a package",
        ),
        pytest.param(
            "torch._inductor.exc.InductorError: AssertionError: strides",
            "--enforce-eager", True, "torch.compile", id="a kernel that does not compile",
        ),
        pytest.param(
            "OSError: [Errno 98] Address already in use", "--port", None, "port", id="the server's port",
        ),
        pytest.param(
            "zmq.error.ZMQError: Address already in use (addr='tcp://10.0.0.1:5557')",
            "VLLM_PORT", None, "between the processes", id="a port between processes",
        ),
        pytest.param(
            "AssertionError: fp8e4nv data type is not supported on CUDA arch < 89",
            "--kv-cache-dtype", "auto", "FP8", id="FP8 on an old GPU",
        ),
    ],
)  # fmt: skip
def test_advice_is_the_one_thing_to_do(error: str, flag: str | None, to: object, words: str) -> None:
    advice = diagnose(raised(error, "vllm/v1/worker/worker.py")).advice[0]
    assert (advice.flag, advice.to) == (flag, to)
    assert words in advice.why


def test_a_gpu_that_is_full_at_the_start_is_used_by_others() -> None:
    log = raised("torch.AcceleratorError: CUDA error: out of memory").replace(
        f"{RECORD}torch",
        f'{RECORD}  File "/usr/lib/vllm/v1/worker/gpu_worker.py", line 9, in init_device\n{RECORD}torch',
    )
    answer = diagnose(log)
    assert answer.failure is not None
    assert (answer.failure.reason, answer.failure.stage) == ("OutOfMemory", "device_init")
    assert "stop the other processes" in answer.advice[0].why

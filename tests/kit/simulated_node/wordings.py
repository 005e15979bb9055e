"""Start-up log lines of each vLLM release, with the root cause far above the end, as in real logs.

Sentences as vLLM's own sources have them: ``v1/core/kv_cache_utils.py`` (``check_enough_kv_cache_memory``),
``v1/worker/gpu_worker.py`` and ``v1/worker/utils.py`` (free memory), releases 0.11 to 0.33.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CONSERVE = " See https://docs.vllm.ai/en/latest/configuration/conserving_memory/ for more details."

_CUDA_OUT_OF_MEMORY = (
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1.94 GiB. GPU 0 has a total capacity of 31.36 GiB "
    "of which 412.38 MiB is free. Including non-PyTorch memory, this process has 30.93 GiB memory in use. Of the "
    "allocated memory 29.61 GiB is allocated by PyTorch, and 512.25 MiB is reserved by PyTorch but unallocated."
)

SCRIPTED = {
    "OutOfMemory-load": (_CUDA_OUT_OF_MEMORY, "load_model"),
    "OutOfMemory-profile": (_CUDA_OUT_OF_MEMORY, "profile_run"),
    "OutOfMemory-capture": (_CUDA_OUT_OF_MEMORY, "capture_model"),
    "OutOfMemory-serving": (_CUDA_OUT_OF_MEMORY, "execute_model"),
    "ArchitectureUnsupported": (
        "ValueError: Model architectures ['{architecture}'] are not supported for now. Supported architectures: "
        "dict_keys(['LlamaForCausalLM'])",
        "inspect_model_cls",
    ),
    "Unknown-peer": (
        "RuntimeError: [/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:544] Connection closed by peer "
        "[10.0.0.1]:38271",
        "init_device",
    ),
    "Unknown": ("RuntimeError: the flux capacitor of {architecture} ran dry", "execute_model"),
}
"""Failures a node can be told to play: the error and the function it was raised in, which names the stage."""


@dataclass(frozen=True)
class Wordings:
    """The lines of one start-up of one release."""

    version: tuple[int, ...]
    model: str
    architecture: str
    flags: dict[str, Any]

    # --- lines --------------------------------------------------------------------------------------------------

    def _api(self, place: str, text: str) -> str:
        return f"(APIServer pid=1) INFO 11-24 02:00:00 [{place}] {text}"

    @property
    def _engine(self) -> str:
        return "(EngineCore pid=97)" if self.version >= (0, 18) else "(EngineCore_DP0 pid=97)"

    def _core(self, place: str, text: str, level: str = "INFO") -> str:
        return f"{self._engine} {level} 11-24 02:00:30 [{place}] {text}"

    @property
    def number(self) -> str:
        """The release as printed."""
        return ".".join(map(str, self.version))

    def beginning(self) -> tuple[str, ...]:
        """Until the model is loaded."""
        return (
            self._api("api_server.py:1772", f"vLLM API server version {self.number}"),
            self._api("utils.py:253", f"non-default args: { ({'model_tag': self.model} | self.flags)!r}"),
            self._api("model.py:637", f"Resolved architecture: {self.architecture}"),
            self._api("model.py:1750", f"Using max model len {self.flags.get('max_model_len', 'auto')}"),
            self._core("core.py:93", f"Initializing a V1 LLM engine (v{self.number}) with config: model={self.model}"),
            self._core("topk_topp_sampler.py:36", "Using FlashInfer for top-p & top-k sampling."),
            self._core("gpu_model_runner.py:3467", f"Starting to load model {self.model}..."),
        )

    def loaded(self, weights_gib: float) -> tuple[str, ...]:
        """After the weights are there."""
        memory = "GiB memory" if self.version >= (0, 11, 2) else "GiB"
        return (
            self._core(
                "gpu_model_runner.py:3549", f"Model loading took {weights_gib:.4f} {memory} and 47.047321 seconds"
            ),
        )

    def available(self, gib: float) -> tuple[str, ...]:
        """After the profiling run."""
        return (self._core("gpu_worker.py:359", f"Available KV cache memory: {gib:.2f} GiB"),)

    def serves(self, tokens: int, length: int, concurrency: float) -> tuple[str, ...]:
        """The check is passed."""
        size, times = f"GPU KV cache size: {tokens:,} tokens", f"{concurrency:.2f}x"
        return (
            self._core("kv_cache_utils.py:1286", size),
            self._core("kv_cache_utils.py:1291", f"Maximum concurrency for {length:,} tokens per request: {times}"),
            self._core("gpu_model_runner.py:4466", "Graph capturing finished in 7 secs, took 0.15 GiB"),
            self._core("core.py:259", "init engine (profile, create kv cache, warmup model) took 35.97 seconds"),
            self._api("api_server.py:1346", "Starting vLLM API server 0 on http://0.0.0.0:8000"),
            "(APIServer pid=1) INFO:     Started server process [1]",
            "(APIServer pid=1) INFO:     Waiting for application startup.",
            "(APIServer pid=1) INFO:     Application startup complete.",
        )

    # --- failures -----------------------------------------------------------------------------------------------

    def kv_cache_too_small(self, length: int, needed: float, available: float, longest: int) -> tuple[str, ...]:
        """The container is smaller than the cup."""
        models = "model's" if self.version >= (0, 22) else "models's"
        also = " (which also controls CPU memory on the CPU backend)" if self.version >= (0, 22) else ""
        see = CONSERVE if self.version >= (0, 13) else ""
        estimate = (
            f" Based on the available memory, the estimated maximum model length is {longest}." if longest > 0 else ""
        )
        return self._died(
            f"ValueError: To serve at least one request with the {models} max seq len ({length}), "
            f"({self._gib(needed)} GiB KV cache is needed, which is larger than the available KV cache memory "
            f"({self._gib(available)} GiB).{estimate} Try increasing `gpu_memory_utilization`{also} or decreasing "
            f"`max_model_len` when initializing the engine.{see}",
            "get_kv_cache_configs",
        )

    def no_kv_cache_memory(self) -> tuple[str, ...]:
        """Nothing is left for the container."""
        also = (
            " (this flag also controls CPU memory reservation on the CPU backend, despite its name)"
            if self.version >= (0, 22)
            else ""
        )
        see = CONSERVE if self.version >= (0, 13) else ""
        return self._died(
            "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when "
            f"initializing the engine{also}.{see}",
            "get_kv_cache_configs",
        )

    def free_memory_too_low(self, free: float, total: float, utilization: float, requested: float) -> tuple[str, ...]:
        """Somebody else uses the GPU."""
        device = " cuda:0" if self.version >= (0, 14) else ""
        return self._died(
            f"ValueError: Free memory on device{device} ({self._gib(free)}/{self._gib(total)} GiB) on startup is less "
            f"than desired GPU memory utilization ({utilization}, {self._gib(requested)} GiB). Decrease GPU memory "
            "utilization or reduce GPU memory used by other processes.",
            "init_device",
        )

    def scripted(self, name: str) -> tuple[str, ...]:
        """A failure of ``SCRIPTED``."""
        error, function = SCRIPTED[name]
        return self._died(error.format(architecture=self.architecture), function)

    def died_in_service(self, name: str) -> tuple[str, ...]:
        """A failure of ``SCRIPTED`` of an engine that had served."""
        error, function = SCRIPTED[name]
        engine = (
            "EngineCore encountered a fatal error.",
            "Traceback (most recent call last):",
            *_frame("vllm/v1/engine/core.py", "run_engine_core", "engine_core.run_busy_loop()"),
            *_frame("vllm/v1/worker/gpu_model_runner.py", function, "self._execute_mm_encoder("),
            error,
        )
        return tuple(self._core("core.py:850", line, "ERROR") for line in engine)

    def _gib(self, size: float) -> str:
        return str(round(size, 2)) if self.version >= (0, 14) else f"{size:.2f}"

    def _died(self, error: str, function: str) -> tuple[str, ...]:
        """The engine's traceback, printed twice, then the API server's, which names no cause."""
        engine = [
            "Traceback (most recent call last):",
            *_frame("vllm/v1/engine/core.py", "run_engine_core", "engine_core = EngineCoreProc(*args, **kwargs)"),
            *_frame("vllm/v1/engine/core.py", "__init__", "super().__init__("),
            *_frame("vllm/v1/engine/core.py", "_initialize_kv_caches", f"{function}("),
            *_frame("vllm/v1/core/kv_cache_utils.py", function, "raise ValueError("),
            error,
        ]
        logged = [self._core("core.py:843", line, "ERROR") for line in ["EngineCore failed to start.", *engine]]
        server = [
            "Traceback (most recent call last):",
            *(line for layer in range(25) for line in _frame("vllm/entrypoints/launch.py", f"layer_{layer}", "run()")),
            "RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
        ]
        process = [f"Process {self._engine[1:].split(' ')[0]}:", *engine]
        return (
            *logged,
            *(f"{self._engine} {line}" for line in process),
            *(f"(APIServer pid=1) {line}" for line in server),
        )


def _frame(file: str, function: str, code: str) -> list[str]:
    return [f'  File "/usr/local/lib/python3.12/dist-packages/{file}", line 700, in {function}', f"    {code}"]

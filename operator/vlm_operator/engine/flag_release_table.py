"""Spellings of flags that each minor release of vLLM takes. Written by hack/generators/flag-releases.


Source: the parser of ``vllm serve`` (``engine/arg_utils.py``, ``FrontendArgs``, ``entrypoints/cli/serve.py``) of
0.11.0, 0.11.2, 0.12.0, 0.13.0, 0.14.1, 0.15.1, 0.16.0, 0.17.1, 0.18.1, 0.19.1, 0.20.2, 0.21.0, 0.22.1, 0.23.0, 0.24.0,
0.25.1, 0.26.0, 0.27.1, 0.28.0, 0.29.0, 0.30.0, 0.31.0, 0.32.0 and 0.33.0. A row holds the first and the last minor
release of 0.x that has the names, and the names.
"""

from __future__ import annotations

from typing import Final

FLAGS: Final[tuple[tuple[int, int, str], ...]] = (
    (
        11,
        11,
        "--enable-lora-bias --eplb-log-balancedness --eplb-step-interval --eplb-window-size --lora-extra-vocab-size "
        "--num-lookahead-slots --num-redundant-experts --override-pooler-config --rope-scaling --rope-theta -O",
    ),
    (11, 12, "--cuda-graph-sizes --disable-mm-preprocessor-cache --enable-multimodal-encoder-data-parallel --task"),
    (11, 16, "--disable-log-requests --logits-processor-pattern"),
    (11, 17, "--swap-space"),
    (11, 18, "--disable-frontend-multiprocessing"),
    (11, 26, "--max-long-partial-prefills --max-num-partial-prefills"),
    (11, 27, "--calculate-kv-scales --override-attention-dtype"),
    (
        11,
        33,
        "--additional-config --aggregate-engine-logging --all2all-backend --allow-credentials --allowed-headers "
        "--allowed-local-media-path --allowed-media-domains --allowed-methods --allowed-origins --api-key "
        "--api-server-count --async-scheduling --block-size --chat-template --chat-template-content-format "
        "--code-revision --collect-detailed-traces --compilation-config --config --config-format --convert "
        "--cpu-offload-gb --cudagraph-capture-sizes --data-parallel-address --data-parallel-backend "
        "--data-parallel-external-lb --data-parallel-hybrid-lb --data-parallel-rank --data-parallel-rpc-port "
        "--data-parallel-size --data-parallel-size-local --data-parallel-start-rank --dbo-decode-token-threshold "
        "--dbo-prefill-token-threshold --dcp-kv-cache-interleave-size --decode-context-parallel-size "
        "--default-mm-loras --disable-cascade-attn --disable-chunked-mm-input --disable-custom-all-reduce "
        "--disable-fastapi-docs --disable-hybrid-kv-cache-manager --disable-log-stats "
        "--disable-nccl-for-dp-synchronization --disable-sliding-window --disable-uvicorn-access-log "
        "--distributed-executor-backend --download-dir --dtype --ec-transfer-config --enable-auto-tool-choice "
        "--enable-chunked-prefill --enable-dbo --enable-eplb --enable-expert-parallel --enable-force-include-usage "
        "--enable-log-outputs --enable-log-requests --enable-lora --enable-mm-embeds --enable-prefix-caching "
        "--enable-prompt-embeds --enable-prompt-tokens-details --enable-request-id-headers "
        "--enable-server-load-tracking --enable-sleep-mode --enable-ssl-refresh --enable-tokenizer-info-endpoint "
        "--enforce-eager --eplb-config --exclude-tools-when-tool-choice-none --expert-placement-strategy "
        "--fully-sharded-loras --generation-config --gpu-memory-utilization --h11-max-header-count "
        "--h11-max-incomplete-event-size --headless --hf-config-path --hf-overrides --hf-token --host "
        "--ignore-patterns --interleave-mm-strings --io-processor-plugin --kv-cache-dtype --kv-cache-memory-bytes "
        "--kv-events-config --kv-offloading-backend --kv-offloading-size --kv-sharing-fast-prefill "
        "--kv-transfer-config --limit-mm-per-prompt --load-format --log-config-file --log-error-stack "
        "--logits-processors --logprobs-mode --long-prefill-token-threshold --lora-dtype --lora-modules "
        "--mamba-block-size --mamba-cache-dtype --mamba-ssm-cache-dtype --master-addr --master-port --max-cpu-loras "
        "--max-cudagraph-capture-size --max-log-len --max-logprobs --max-lora-rank --max-loras --max-model-len "
        "--max-num-batched-tokens --max-num-seqs --max-parallel-loading-workers --media-io-kwargs --middleware "
        "--mm-encoder-attn-backend --mm-encoder-tp-mode --mm-processor-cache-gb --mm-processor-cache-type "
        "--mm-processor-kwargs --mm-shm-cache-max-object-size-mb --model --model-impl --model-loader-extra-config "
        "--nnodes --node-rank --num-gpu-blocks-override --otlp-traces-endpoint --override-generation-config "
        "--pipeline-parallel-size --pooler-config --port --prefix-caching-hash-algo --pt-load-map-location "
        "--quantization --ray-workers-use-nsight --reasoning-parser --reasoning-parser-plugin --response-role "
        "--return-tokens-as-token-ids --revision --root-path --runner --safetensors-load-strategy --scheduler-cls "
        "--scheduling-policy --seed --served-model-name --show-hidden-metrics-for-version --skip-mm-profiling "
        "--skip-tokenizer-init --speculative-config --ssl-ca-certs --ssl-cert-reqs --ssl-certfile --ssl-keyfile "
        "--stream-interval --structured-outputs-config --tensor-parallel-size --tokenizer --tokenizer-mode "
        "--tokenizer-revision --tokens-only --tool-call-parser --tool-parser-plugin --tool-server --trust-remote-code "
        "--trust-request-chat-template --uds --use-tqdm-on-load --uvicorn-log-level --video-pruning-rate --worker-cls "
        "--worker-extension-cls -asc -dcp -dp -dpa -dpb -dpe -dph -dpl -dpn -dpp -dpr -n -pp -q -r -tp",
    ),
    (
        12,
        33,
        "--cp-kv-cache-interleave-size --kv-cache-metrics --kv-cache-metrics-sample --optimization-level "
        "--prefill-context-parallel-size -cc -pcp",
    ),
    (
        13,
        33,
        "--attention-backend --attention-config --cudagraph-metrics --enable-layerwise-nvtx-tracing --profiler-config "
        "-ac",
    ),
    (
        14,
        33,
        "--allow-deprecated-quantization --default-chat-template-kwargs --enable-log-deltas "
        "--enable-logging-iteration-details --enable-mfu-metrics --enable-offline-docs --enable-return-routed-experts "
        "--enable-tower-connector-lora --ubatch-size -ep",
    ),
    (15, 33, "--mamba-cache-mode --mm-encoder-only --ssl-ciphers"),
    (
        16,
        33,
        "--disable-access-log-for-endpoints --enable-flashinfer-autotune --kernel-config --specialize-active-lora "
        "--weight-transfer-config",
    ),
    (17, 17, "--use-gpu-for-pooling-score"),
    (
        17,
        33,
        "--cpu-offload-params --enable-elastic-ep --fail-on-environ-validation --language-model-only --moe-backend "
        "--offload-backend --offload-group-size --offload-num-in-group --offload-params --offload-prefetch-step "
        "--performance-mode",
    ),
    (
        18,
        33,
        "--dcp-comm-backend --distributed-timeout-seconds --enable-ep-weight-filter --gdn-prefill-backend --grpc "
        "--shutdown-timeout",
    ),
    (
        19,
        33,
        "--kv-cache-dtype-skip-layers --lora-target-modules --mm-tensor-ipc --reasoning-config --renderer-num-workers "
        "--scheduler-reserve-full-isl -sc",
    ),
    (
        20,
        33,
        "--enable-flash-late-interaction --enable-mamba-cache-stochastic-rounding --ir-op-priority --mamba-backend "
        "--mamba-cache-philox-rounds --numa-bind --numa-bind-cpus --numa-bind-nodes",
    ),
    (
        21,
        33,
        "--fingerprint-mode --fingerprint-value --mm-encoder-attn-dtype --mm-encoder-fp8-scale-path "
        "--mm-encoder-fp8-scale-save-margin --mm-encoder-fp8-scale-save-path --safetensors-prefetch-block-size "
        "--safetensors-prefetch-num-threads",
    ),
    (
        22,
        33,
        "--cpu-distributed-timeout-seconds --data-parallel-multi-port-external-lb --data-parallel-supervisor-port "
        "--dp-supervisor-probe-failure-threshold --dp-supervisor-probe-interval-s --dp-supervisor-probe-timeout-s "
        "--enable-cumem-allocator --enable-mixed-moe-lora-format --linear-backend --quantization-config --spec-method "
        "--spec-model --spec-tokens --use-fp64-gumbel -dpm",
    ),
    (24, 33, "--device-ids --diffusion-config --jit-monitor-verbose --prefill-schedule-interval --watermark -dc"),
    (25, 33, "--enable-per-request-metrics --jit-monitor-mode --mm-ipc-gpu-memory-gb --model-class-overrides"),
    (26, 29, "--enable-bf16x3-router-gemm"),
    (26, 33, "--enable-moe-shared-loras --max-num-scheduled-tokens --prefix-match-unit"),
    (
        27,
        33,
        "--cohere-format --cohere-is-reasoning-model --enable-fault-tolerance --fault-tolerance-config "
        "--kda-prefill-backend --mamba-ssu-algorithm --mm-hasher-algorithm --replayssm-buffer-len --use-replayssm "
        "--video-pruning-method",
    ),
    (28, 33, "--ec-manager-config --mm-device-do-normalize --mm-processor-device --return-sampling-mask"),
    (
        29,
        33,
        "--dcp-q-replicate --enable-batch-sharded-sampling --enable-trace-replay --max-num-queued-reqs "
        "--max-num-queued-tokens --per-request-spec-decode-metrics --prefix-cache-retention-interval "
        "--sse-keep-alive-interval",
    ),
    (30, 30, "--enable-mamba-fine-grained-prefix-cache"),
    (
        30,
        33,
        "--dp-sync-interval --elastic-ep-max-dp-size --enable-nccl-comm-suspend --enable-scale-out --engram-config "
        "--kda-decode-backend --sparse-indexer-topk-backend --watermark-config",
    ),
    (
        31,
        33,
        "--anthropic-disabled-thinking-effort --aux-output-config --device-memory-utilization "
        "--enable-mamba-shared-prefix-checkpoint --log-level --logging-config --long-prefill-token-threshold-adaptive "
        "--max-lora-cls-labels --max-num-active-seqs --sleep-preserve-parameter-names --swa-bounded-replay "
        "--tool-strict-level --trust-request-mm-kwargs",
    ),
    (
        32,
        33,
        "--custom-histogram-buckets --enable-hc-sp --enable-shm-tensor-arena --grpc-port "
        "--sleep-mode-offload-cudagraph",
    ),
    (33, 33, "--monokernel --reasoning-effort-map --sleep-mode-backend --watchdog-config"),
)

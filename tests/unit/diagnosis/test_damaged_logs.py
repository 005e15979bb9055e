"""Whatever happened to a log on its way: no crash, no hang, no number that it does not print, little memory."""

from __future__ import annotations

import gzip
import random
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rendered_wordings import all_wordings, render

from kit.log_damage import OTHERS, WHOLE_FIGURES, Mutation, printed_numbers, told_numbers
from vlm_operator.diagnosis import Outcome, diagnose, document

LOGS = {
    path.name: gzip.decompress(path.read_bytes())
    for path in sorted((Path(__file__).parents[2] / "data" / "vllm_logs").glob("*.log.gz"))
}
NUMBERS = {name: printed_numbers(log) for name, log in LOGS.items()}
ROUNDS = 60


@pytest.mark.parametrize("mutation", [*WHOLE_FIGURES, *OTHERS], ids=lambda mutation: mutation.__name__)
def test_a_damaged_log_tells_no_number_that_was_not_printed(mutation: Mutation) -> None:
    """``hack/fuzz/diagnosis`` does the same ten thousand times."""
    for seed in range(ROUNDS if mutation in WHOLE_FIGURES else ROUNDS // 4):
        chance = random.Random(seed)
        name = chance.choice(sorted(LOGS))
        log = mutation(LOGS[name], chance)
        begun = time.process_time()
        told = told_numbers(document(diagnose(log)))
        assert time.process_time() - begun < 10
        printed = NUMBERS[name] if mutation in WHOLE_FIGURES else printed_numbers(log)
        assert {key: value for key, value in told.items() if value not in printed} == {}, seed


SENTENCES = [render(wording)[0] for _, wording in all_wordings()]
PIECES = st.one_of(
    st.sampled_from(SENTENCES),
    st.sampled_from([line for log in LOGS.values() for line in log.decode("utf-8", "replace").split("\n")]),
    st.text(max_size=80),
    st.sampled_from(
        ["\n", "\r", "\x1b[31m", "(EngineCore pid=1) ", "ERROR 11-23 22:03:13 [a.py:1] ", "{", '{"log": "', "\0"]
    ),
)


@settings(max_examples=300, deadline=2000, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(PIECES, max_size=30), st.binary(max_size=200))
def test_any_mixture_of_sentences_and_bytes_is_read(pieces: list[str], noise: bytes) -> None:
    log = "".join(pieces).encode("utf-8", "surrogatepass") + noise
    answer = diagnose(log)
    assert (answer.failure is None) == (answer.outcome is Outcome.INCOMPLETE) or answer.outcome is Outcome.STARTED
    assert set(told_numbers(document(answer)).values()) <= printed_numbers(log)


@settings(max_examples=100, deadline=2000)
@given(st.integers(0, 2**32), st.lists(st.integers(1, 5000), min_size=1, max_size=20))
def test_how_a_stream_is_cut_into_chunks_changes_nothing(seed: int, sizes: list[int]) -> None:
    log = LOGS[sorted(LOGS)[seed % len(LOGS)]]

    def chunks() -> Iterator[bytes]:
        position = 0
        while position < len(log):
            size = sizes[position % len(sizes)]
            yield log[position : position + size]
            position += size

    assert document(diagnose(chunks())) == document(diagnose(log))


def ordinary(megabytes: int) -> Iterator[bytes]:
    """A server's log while it serves, in chunks."""
    lines = b"".join(
        b"(APIServer pid=1) INFO 11-23 22:10:%02d [loggers.py:123] Engine 000: Avg prompt throughput: %d.0 tokens/s, "
        b"Running: 3 reqs, Waiting: 0 reqs, GPU KV cache usage: 12.3%%, Prefix cache hit rate: 44.1%%\n"
        b'(APIServer pid=1) INFO:     192.0.2.7:5%04d - "POST /v1/chat/completions HTTP/1.1" 200 OK\n' % (n % 60, n, n)
        for n in range(4000)
    )
    for _ in range(megabytes * 2**20 // len(lines)):
        yield lines


def test_memory_does_not_grow_with_the_log() -> None:
    failure = b"(EngineCore pid=2) ERROR 11-23 22:03:13 [core.py:1] ValueError: %s\n" % SENTENCES[0].encode()

    def stream() -> Iterator[bytes]:
        yield from ordinary(10)
        for number in range(20_000):
            yield b"(Worker_TP%d pid=%d) ERROR 11-23 22:03:13 [a.py:1] OddError: number %d\n" % ((number,) * 3)
        yield failure

    tracemalloc.start()
    try:
        diagnose(stream())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 12 * 2**20


@pytest.mark.parametrize(
    "filler", ["1", "x", " ", "[", "{", "(", "'a': ", '" 200 ', "a.", "A", "Error", ":", "/", "\t"]
)
@pytest.mark.parametrize(
    "head",
    ["ValueError: ", "Traceback (most recent call last):\n", '  File "vllm/', "ERROR 11-23 22:03:13 [a.py:1] ", "", "{",
     "INFO 11-23 22:03:13 [a.py:1] non-default args: ", "INFO 11-23 22:03:13 [a.py:1] Model loading took ",
     "2025-11-23T22:03:13.1Z stderr P ", "1 validation error for "],
)  # fmt: skip
def test_no_line_takes_long_whatever_it_repeats(head: str, filler: str) -> None:
    log = (head + filler * (2**17 // len(filler)) + "\n").encode()
    begun = time.process_time()
    diagnose(log)
    assert time.process_time() - begun < 1


HOSTILE = {
    "headings of tracebacks": b"Traceback (most recent call last):\n",
    "exceptions": b"ValueError: something is odd here\n",
    "exceptions in a quotation": b"> ValueError: something is odd here\n",
    "sentences that are known": b"torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB\n",
    "frames": b'  File "vllm/x.py", line 1, in f\n    x\n',
    "words of sentences": b"of the model's KV cache memory in GiB\n",
    "wrappers": b"RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}\n",
    "empty lines": b"\n",
    "carriage returns alone": b"x\r",
    "carriage returns in lines": b"x\r" * 1000 + b"\n",
    "progress bars": b"Loading safetensors checkpoint shards:   3% Completed | 1/37 [00:02<01:39,  2.77s/it]\r",
    "no newline": b"abc def ",
    "nested JSON": b'{"a":' * 5000 + b"1" + b"}" * 5000 + b"\n",
    "JSON that never closes": b'{"a":' * 5000 + b"\n",
    "JSON of many lines": b'{"levelname":"ERROR","message":"' + b"x\\n" * 2000 + b'"}\n',
    "fences of Markdown": b"```\n",
    "pieces of a cut line": b"2025-11-23T22:03:13.123456789Z stderr P abc\n",
    "a prefix that is learnt anew": b"abc 123 Traceback (most recent call last):\nabc 124 ValueError: odd\n",
    "characters that are no ASCII": "█ ValueError ▄█\n".encode(),
}
"""What somebody may feed to the reader, as the piece that is repeated."""


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE)
def test_a_log_takes_time_in_proportion_to_its_length(piece: bytes) -> None:
    def seconds(size: int) -> float:
        log = b"ValueError: odd\n" + piece * (size // len(piece))
        begun = time.process_time()
        diagnose(log)
        return time.process_time() - begun

    short = min(seconds(2**14) for _ in range(3))
    long = min(seconds(2**17) for _ in range(2))
    assert long < 8 * 2.5 * max(short, 0.02)  # 64 times as long, were it quadratic


def test_a_line_of_many_megabytes_is_read_at_its_head_and_the_next_one_too() -> None:
    log = b"x" * (8 * 2**20) + b"\nValueError: " + SENTENCES[0].encode() + b"\n"
    failure = diagnose(log).failure
    assert failure is not None
    assert (failure.reason, failure.line) == ("KVCacheTooSmall", 2)


def test_a_figure_cut_by_the_end_of_the_log_is_not_told() -> None:
    sentence = SENTENCES[0]
    for length in range(len(sentence)):
        answer = diagnose(sentence[:length])
        if answer.failure is not None:
            assert answer.failure.numbers.get("needed_gib", 10.5) == 10.5
            assert answer.failure.numbers.get("available_gib", 4.25) == 4.25
            assert answer.failure.numbers.get("max_model_len", 131072) == 131072

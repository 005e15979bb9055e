"""Which GPUs are taken where the user names none: free ones, then the fewest, then none given up, then the smallest."""

from __future__ import annotations

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.planning.gpu_choice import GPUOffer, choose_gpu
from vlm_operator.planning.intent import Images, Intent, Workload

T4, L4, RTX, H100 = "Tesla-T4", "NVIDIA-L4", "NVIDIA-GeForce-RTX-5090", "NVIDIA-H100-80GB-HBM3"
PHOTOS = Intent(workload=Workload(prompt_tokens=2000, images=Images(4)))


def offer(product: str, count: int = 1, free: int | None = None) -> GPUOffer:
    return GPUOffer(gpu(product), "nvidia.com/gpu", count, node_label=product, free=free)


@pytest.mark.parametrize(
    ("offers", "chosen"),
    [
        pytest.param((offer(L4), offer(RTX), offer(H100)), (1, RTX), id="nothing known: the smallest"),
        pytest.param((offer(RTX, free=1), offer(H100, free=1)), (1, RTX), id="both free: the smaller"),
        pytest.param((offer(RTX, free=0), offer(H100, free=1)), (1, H100), id="free before smaller"),
        pytest.param((offer(RTX, free=0), offer(H100, free=0)), (1, RTX), id="none free: as if all were"),
        pytest.param((offer(T4, 4, free=4), offer(RTX, free=1)), (1, RTX), id="one GPU before two smaller ones"),
        pytest.param((offer(T4, 4, free=4), offer(RTX, free=0)), (2, T4), id="two free ones before one that is not"),
    ],
)
def test_the_rule(offers: tuple[GPUOffer, ...], chosen: tuple[int, str]) -> None:
    found = choose_gpu(qwen3_vl(), offers, PHOTOS)
    assert found is not None
    made, taken = found
    assert (made.gpu_count, taken.gpu.label) == chosen


def test_the_choice_and_the_runner_up_are_said() -> None:
    found = choose_gpu(qwen3_vl(), (offer(RTX, free=0), offer(H100, free=1)), PHOTOS)
    assert found is not None
    assert found[1].choice == (
        f"1x {H100} (free now; gives nothing up); runner-up: 1x {RTX} (not free now; gives nothing up)"
    )


def test_a_single_offer_is_no_choice() -> None:
    found = choose_gpu(qwen3_vl(), (offer(H100),), PHOTOS)
    assert found is not None
    assert found[1].choice == ""

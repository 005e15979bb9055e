"""Which MIG profiles of the same product would hold a plan that a smaller one does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu, slice_of
from vlm_operator.planning.choose import plan
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict


def profiles_that_hold(refused: Plan) -> Iterator[str]:
    """Profiles of the product that the same intent fits on, the smallest first; none for what is no plan for a slice,
    or a prediction of given flags.
    """
    gpu, intent = refused.gpu, refused.intent
    if refused.verdict is not Verdict.DOES_NOT_FIT or gpu is None or gpu.mig_profile is None or intent.is_prediction:
        return
    try:
        whole = find_gpu(gpu.product)
    except UnknownFact:
        return
    one = replace(intent, gpus_available=1, nodes=1)
    for profile in sorted(whole.mig_profiles, key=lambda each: (each.total_bytes, each.name)):
        if profile.total_bytes <= gpu.total_bytes:
            continue
        try:
            larger = plan(refused.model, slice_of(whole, profile.name), one)
        except (InputError, UnknownFact):
            continue
        if larger.verdict is Verdict.FITS:
            yield profile.name


def slice_words(refused: Plan) -> str | None:
    """The smallest such profile as a remedy where no cluster says what is configured; None where none helps."""
    profile = next(profiles_that_hold(refused), None)
    return None if profile is None or refused.gpu is None else f"a {profile} slice of {refused.gpu.product} holds it"

"""Fields of configs that several families read alike: sections, sides of images, pixel shuffle."""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import nested_type, text_defaults

LEAST_SHUFFLE_RATIO: Final = 1 / 64
"""Published models have 0.5 or 0.25."""


def text_config(config: Config) -> Config:
    """The language model's part of the config, the whole config where it is not nested."""
    for key in ("text_config", "llm_config", "language_config"):
        if config.has(key):
            return config.section(key)
    return config


def text_width(config: Config) -> int:
    """Width of the language model's embeddings, its class's where none is given; 0 where that is not known."""
    section = text_config(config)
    kind = section.text("model_type") or nested_type(config.text("model_type") or "") or ""
    return section.integer("hidden_size", text_defaults(kind).get("hidden_size", 0), least=0)


def square_side(section: Config, key: str, default: int | None = None) -> int:
    """A side in pixels, which some configs write as a pair of height and width.

    Raises:
        InputError: not a whole number, or not a pair of them.
        UnknownFact: height and width differ; or missing without a default.
    """
    value = section.values.get(key)
    if not isinstance(value, list | tuple):
        return section.integer(key, default)
    field = section.field(key)
    if len(value) != 2:
        raise InputError(f"{field}: {str(value)[:60]} is neither a whole number nor a pair of them", field=field)
    height, width = (Config({key: side}, section.path).integer(key) for side in value)
    if height != width:
        raise UnknownFact(
            f"{field}: how vLLM takes {height} by {width}, which is not square, is not known",
            field=field,
            hint="give the model's own config.json",
        )
    return height


def vision_grid(vision: Config, image_size: int, patch_size: int) -> tuple[int, int]:
    """(side of an image, patches a side) of a vision encoder with square input."""
    side = square_side(vision, "image_size", image_size)
    return side, patches_along(side, square_side(vision, "patch_size", patch_size), vision.field("patch_size"))


def patches_along(side: int, patch_size: int, field: str) -> int:
    """Whole patches along a side.

    Raises:
        InputError: not even one.
    """
    if patch_size > side:
        raise InputError(
            f"{field}: patches of {patch_size} pixels do not fit into an image of {side}",
            field=field,
            hint="give the model's own config.json",
        )
    return side // patch_size


def shuffle_ratio(config: Config, key: str) -> float:
    """The ratio by which pixel shuffle shrinks a side, above 0 and at most 1; 0.5 where the config does not say.

    Raises:
        InputError: outside that range.
    """
    ratio = config.number(key, 0.5)
    if ratio is None or not LEAST_SHUFFLE_RATIO <= ratio <= 1:
        raise InputError(
            f"{config.field(key)}: {ratio} is not between {LEAST_SHUFFLE_RATIO} and 1", field=config.field(key)
        )
    return ratio


def shuffled_tokens(patches: int, config: Config, key: str = "downsample_ratio") -> int:
    """Tokens of a square of ``patches`` patches a side after pixel shuffle, at least one.

    Raises:
        InputError: the ratio leaves none, or is out of range.
    """
    tokens = int(patches**2 * shuffle_ratio(config, key) ** 2)
    if not tokens:
        raise InputError(
            f"{config.field(key)}: {config.values.get(key)} leaves no token of {patches} patches a side",
            field=config.field(key),
        )
    return tokens

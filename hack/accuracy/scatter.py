"""A scatter plot as SVG, drawn by hand so that it needs no plotting library and is the same bytes every time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SIZE, MARGIN = 520, 56
COLOURS = {"stock": "#2a6fbb", "unified": "#c4761b", "fork": "#8a8a8a"}
LABELS = {"stock": "stock releases, NVIDIA", "unified": "unified memory (GB10)", "fork": "fork with other kernels"}


@dataclass(frozen=True)
class Point:
    """One start-up, GiB."""

    printed: float
    predicted: float
    kind: str
    name: str


def scatter(points: Sequence[Point]) -> str:
    """Predicted over printed KV cache memory, with the line where they are equal."""
    highest = max(max(point.printed, point.predicted) for point in points)
    top = int(highest / 10 + 1) * 10
    plot = SIZE - 2 * MARGIN

    def x(value: float) -> float:
        return MARGIN + max(value, 0) / top * plot

    def y(value: float) -> float:
        return SIZE - MARGIN - max(value, 0) / top * plot

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIZE}" height="{SIZE}" viewBox="0 0 {SIZE} {SIZE}" '
        'font-family="sans-serif" font-size="12">',
        "<title>KV cache memory: predicted against printed</title>",
        f'<rect width="{SIZE}" height="{SIZE}" fill="#ffffff"/>',
    ]
    for value in range(0, top + 1, 10):
        parts += [
            f'<line x1="{x(value):.1f}" y1="{y(0):.1f}" x2="{x(value):.1f}" y2="{y(top):.1f}" stroke="#e4e4e4"/>',
            f'<line x1="{x(0):.1f}" y1="{y(value):.1f}" x2="{x(top):.1f}" y2="{y(value):.1f}" stroke="#e4e4e4"/>',
            f'<text x="{x(value):.1f}" y="{y(0) + 18:.1f}" text-anchor="middle">{value}</text>',
            f'<text x="{x(0) - 8:.1f}" y="{y(value) + 4:.1f}" text-anchor="end">{value}</text>',
        ]
    parts.append(
        f'<line x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(top):.1f}" y2="{y(top):.1f}" stroke="#555555" '
        'stroke-dasharray="5 4"/>'
    )
    parts += [
        f'<circle cx="{x(point.printed):.1f}" cy="{y(point.predicted):.1f}" r="4.5" fill="{COLOURS[point.kind]}" '
        f'fill-opacity="0.75"><title>{point.name}: printed {point.printed:.2f}, predicted {point.predicted:.2f} GiB'
        "</title></circle>"
        for point in points
    ]
    for place, (kind, label) in enumerate(LABELS.items()):
        height = MARGIN + 14 + 18 * place
        parts += [
            f'<circle cx="{MARGIN + 14}" cy="{height - 4}" r="4.5" fill="{COLOURS[kind]}" fill-opacity="0.75"/>',
            f'<text x="{MARGIN + 26}" y="{height}">{label}</text>',
        ]
    parts += [
        f'<text x="{SIZE / 2:.0f}" y="{SIZE - 14}" text-anchor="middle">printed by vLLM, GiB</text>',
        f'<text x="16" y="{SIZE / 2:.0f}" text-anchor="middle" transform="rotate(-90 16 {SIZE / 2:.0f})">'
        "predicted, GiB</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"

"""Pictures of bodies made of spheres, capsules and boxes, with matplotlib from their geometry."""

from __future__ import annotations

from typing import Any

import numpy as np


def outline(points: np.ndarray, radius: float) -> np.ndarray:
    """Corners (m, 2) around all that is within a radius of the convex hull of points (n, 2)."""
    from scipy.spatial import ConvexHull  # slow to import, and only pictures need it

    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    circle = max(radius, 1e-6) * np.stack([np.cos(angles), np.sin(angles)], 1)
    cloud = (points[:, None] + circle).reshape(-1, 2)
    return cloud[ConvexHull(cloud).vertices]


def solids(axes: Any, shapes: list[tuple[np.ndarray, float]], right: np.ndarray, up: np.ndarray) -> None:
    """Draw shapes, points (n, 3) and a radius each, as seen with `right` (3,) and `up` (3,) in the plane of the picture.

    The ones nearer to the eye are drawn over the others.
    """
    toward = np.cross(right, up)
    for i, (points, radius) in sorted(enumerate(shapes), key=lambda shape: float((shape[1][0] @ toward).max() + shape[1][1])):
        corners = outline(np.stack([points @ right, points @ up], 1), radius)
        axes.fill(*corners.T, facecolor="0.6" if i == 0 else f"C{(i - 1) // 3}", edgecolor="k", linewidth=0.5, alpha=0.8)

"""The bodies, gaits and scores of the walking robots."""

import dataclasses

import mujoco
import numpy as np
import pytest

from bbo.tasks.parts import drawing, walking
from bbo.tasks.walkers import ANT, DKITTY, Ant, DKitty

SPECIES = pytest.mark.parametrize("species", [ANT, DKITTY], ids=["ant", "dkitty"])


def default(species):
    return np.clip(species.design(np.array(species.default)), -1, 1)


def near(species, seed, noise=0.1):
    return np.clip(default(species) + noise * np.random.default_rng(seed).standard_normal(species.size), -1, 1)


def test_the_numbers_are_those_of_design_bench():
    """60, and 52 of 56: D'Kitty's four z have equal bounds there."""
    assert (ANT.size, DKITTY.size) == (60, 52)
    assert set(ANT.numbers) - set(DKITTY.numbers) == {"z", "hip_size"}
    for species, task in ((ANT, Ant), (DKITTY, DKitty)):
        assert task.spec.space.shape == (species.size,)
        assert np.abs(species.design(np.array(species.default))).max() <= 1 + 1e-12


@SPECIES
def test_a_design_is_scaled_bounds(species):
    low, high, middle = (species.legs(np.full(species.size, end)) for end in (-1.0, 1.0, 0.0))
    np.testing.assert_allclose(low, [species.low] * 4)
    np.testing.assert_allclose(high, [species.high] * 4)
    np.testing.assert_allclose(middle, (low + high) / 2)
    design = near(species, 0)
    np.testing.assert_allclose(species.design(species.legs(design)), design, atol=1e-12)


@SPECIES
@pytest.mark.parametrize("seed", range(3))
def test_a_body_is_as_its_design_says_and_stands_on_the_floor(species, seed):
    body = walking.Body(species, near(species, seed))
    for leg, numbers in enumerate(species.legs(near(species, seed))):
        told = dict(zip(species.numbers, numbers, strict=True))
        for joint, name in zip("abc", ("hip", "thigh", "ankle"), strict=True):
            centre, reach = told[f"{name}_centre"], told[f"{name}_range"]
            np.testing.assert_allclose(body.model.joint(f"{joint}{leg}").range, [centre - reach, centre + reach])
    bottom = min(points[:, 2].min() - radius for points, radius in body.solids())
    assert bottom == pytest.approx(walking.DROP)
    assert body.data.ncon == 0


@SPECIES
def test_reach_is_the_derivative_of_the_foot(species):
    body, step = walking.Body(species, near(species, 1)), 1e-5
    reach = body.reach()
    feet = [body.model.site(f"f{leg}").id for leg in range(4)]
    for joint in range(12):
        places = []
        for sign in (-1, 1):
            body.data.qpos[7:] = body.centres.ravel()
            body.data.qpos[7 + joint] += sign * step
            mujoco.mj_kinematics(body.model, body.data)
            places.append(body.data.site_xpos[feet].copy())
        moved = (places[1] - places[0]) / (2 * step) * body.ranges.ravel()[joint]
        leg = joint // 3
        # Central differences are wrong by about step^2, and by rounding: 1e-16 / step.
        np.testing.assert_allclose(reach[leg, :, joint % 3], moved[leg], atol=1e-9)
        np.testing.assert_allclose(np.delete(moved, leg, 0), 0, atol=1e-9)


@SPECIES
def test_a_gait_starts_at_rest_and_stays_within_the_joints(species):
    body = walking.Body(species, near(species, 3))
    shares = (body.plan(body.reach()) - body.centres.ravel()) / body.ranges.ravel()
    np.testing.assert_array_equal(shares[:, 0], 0)
    assert 0.5 < np.abs(shares).max() < 1


@SPECIES
def test_feet_that_are_free_to_move_go_round_in_a_trot(species):
    """With small strokes and hardly any damping, the feet do what is asked of them: back on the ground, forward in the air."""
    small = dataclasses.replace(species, stroke=1e-6, lift=1e-6, damping=1e-9)
    body = walking.Body(small, near(species, 3))
    reach = body.reach()
    shares = ((body.plan(reach) - body.centres.ravel()) / body.ranges.ravel()).reshape(len(walking.GAITS), -1, 4, 3)
    feet = np.einsum("lij,gtlj->gtli", reach, shares) / 1e-6
    time = body.model.opt.timestep * np.arange(feet.shape[1])
    size = np.minimum(1, time / walking.RAMP)
    for gait, (rate, delay) in enumerate(walking.GAITS):
        for leg in range(4):
            turn = 2 * np.pi * (species.pace * rate * time + delay + leg / 2)
            np.testing.assert_allclose(feet[gait, :, leg] @ [*species.forward, 0.0], size * np.cos(turn), atol=1e-4)
            np.testing.assert_allclose(feet[gait, :, leg, 2], -size * np.sin(turn), atol=1e-4)


def test_progress_counts_what_is_walked_upright():
    body = walking.Body(DKITTY, default(DKITTY))
    way = np.zeros((3, 11, 7))
    way[:, :, 1] = np.linspace(0, 2, 11)
    way[:, :, 3] = 1  # upright
    way[1, 6:, 3:] = [np.sqrt(0.5), np.sqrt(0.5), 0, 0]  # on its side from the middle on
    way[2, :, 3:] = [np.cos(np.pi / 6), np.sin(np.pi / 6), 0, 0]  # leaning by 60 degrees
    way[2, :, 0] = 7 * np.linspace(0, 2, 11)  # sideways does not count
    np.testing.assert_allclose(walking.progress(body, way), [2, 1, 1], atol=1e-12)


@SPECIES
def test_the_robots_as_built_walk_forward_and_a_heap_of_legs_does_not(species):
    assert walking.score(species, default(species)) > 0.2
    heap = species.legs(default(species))
    heap[:, species.numbers.index("ankle_range")] = heap[:, species.numbers.index("hip_range")] = 0.09
    heap[:, species.numbers.index("thigh_range")] = 0.09
    assert walking.score(species, species.design(heap)) < 0.5 * walking.score(species, default(species))


def test_every_number_acts():
    """Also the range of D'Kitty's thighs, which the original's model does not use."""
    for species in (ANT, DKITTY):
        design = near(species, 2, 0.02) * 0.98
        first = walking.score(species, design)
        for number in range(len(species.numbers)):
            other = design.copy()
            other[number] += 0.01
            assert walking.score(species, other) != first, species.numbers[number]


def test_a_simulation_that_breaks_down_has_no_score_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    body = walking.Body(ANT, default(ANT))
    angles = np.full_like(body.plan(body.reach()), 1e12)
    assert np.isnan(body.walk(angles)).all()
    assert np.isfinite(body.walk(body.plan(body.reach()))).all()
    assert not list(tmp_path.iterdir())


def test_an_outline_is_around_its_shape():
    square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [0.5, 0.5]])
    corners = drawing.outline(square, 0.25)
    x, y = corners.T
    area = 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1))
    # The square, four strips, and a polygon of 48 corners in place of the circle.
    assert area == pytest.approx(1 + 4 * 0.25 + 24 * np.sin(2 * np.pi / 48) * 0.25**2)
    assert (corners.min(), corners.max()) == pytest.approx((-0.25, 1.25))

from __future__ import annotations

import io

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from vnb_sim_bridge.render.film import Filmer, FilmSettings, Negative, encode_gif, spread
from vnb_sim_bridge.render.gl import RenderError, choose_backend, open_context
from vnb_sim_bridge.render.studio import Shot, Studio, studio_spec
from vnb_sim_bridge.scenario import Scenario
from vnb_sim_bridge.world.world import World


def can_draw() -> bool:
    try:
        open_context(16, 16).free()
    except RenderError:
        return False
    return True


drawing = pytest.mark.skipif(not can_draw(), reason="this machine cannot draw")
SHOT = Shot((-0.05, 0.88, 0.83), 0.5, 160.0, -25.0)


@pytest.fixture(scope="module")
def world() -> World:
    return World(Scenario("cube"))


def test_studio_has_the_state_of_the_world(world: World) -> None:
    model = studio_spec(world).compile()
    assert model.nq == world.model.nq
    assert [model.joint(i).name for i in range(model.njnt)] == [
        world.model.joint(i).name for i in range(world.model.njnt)
    ]
    assert model.ngeom == world.model.ngeom


@pytest.mark.render
@drawing
def test_pictures_show_the_object_and_not_only_background(world: World) -> None:
    with Studio(world) as studio:
        image = studio.draw(world.data.qpos, SHOT, 120, 90)
        moved = world.data.qpos.copy()
        moved[world.object_qpos[0]] += 0.03
        other = studio.draw(moved, SHOT, 120, 90)
        again = studio.draw(world.data.qpos, SHOT, 120, 90)
        arrows = studio.draw(world.data.qpos, SHOT, 120, 90, [(np.array([-0.05, 0.88, 0.85]), np.array([0, 0, -8.0]))])
    assert image.shape == (90, 120, 3)
    assert (image != other).any()
    assert_array_equal(image, again)
    assert (arrows != image).any()


@pytest.mark.render
@drawing
def test_visibility_prefers_a_view_of_the_object(world: World) -> None:
    away = Shot((-0.05, 0.88, 5.0), 0.5, 160.0, 60.0)
    with Studio(world) as studio:
        assert studio.visibility(world.data.qpos, away) == 0.0
        near = Shot(tuple(world.hand_pose()[:3, 3].tolist()), 0.8, 160.0, -25.0)  # type: ignore[arg-type]
        assert studio.visibility(world.data.qpos, near) >= 0.0


@pytest.mark.render
@drawing
def test_filming_does_not_change_the_future() -> None:
    def run(filmer: Filmer | None) -> np.ndarray:
        world = World(Scenario("cube", seed=2))
        for i in range(20):
            world.drive_hand(np.array([0.0, 0.6, 0.6, 0.6, 0.6, 0.6]), None, 0.04)
            world.step(20)
            if filmer is not None:
                filmer.frame(world)
                filmer.snap(world, ("before", "closed", "lifted")[i % 3])
                if i == 10:
                    filmer.develop(FilmSettings((64, 48), (64, 48), (1, 1, 1)))
        return world.save().physics

    assert_array_equal(run(None), run(Filmer()))


def test_frames_are_kept_once_per_moment_and_dropped_on_reset(world: World) -> None:
    filmer = Filmer()
    world.reset(Scenario("cube"))
    filmer.frame(world)
    filmer.frame(world)
    assert len(filmer._frames) == 1
    world.step(10)
    filmer.frame(world)
    assert len(filmer._frames) == 2
    world.reset(Scenario("cube"))
    filmer.frame(world)
    assert len(filmer._frames) == 1


def test_nothing_filmed_is_an_empty_film() -> None:
    film = Filmer().develop()
    assert dict(film.pictures) == {}
    assert film.gif == b""


def test_spread_is_even_and_ends_with_the_last() -> None:
    negatives = [Negative(float(i), np.zeros(1)) for i in range(100)]
    chosen = [negative.time for negative in spread(negatives, 5)]
    assert chosen == [19.0, 39.0, 59.0, 79.0, 99.0]
    assert spread(negatives[:3], 5) == negatives[:3]


def test_gif_has_every_frame_and_holds_the_last() -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (12, 16, 3)).astype(np.uint8) for _ in range(4)]
    gif = Image.open(io.BytesIO(encode_gif(images, 0.05, 1.0)))
    assert gif.n_frames == 4
    assert gif.info["loop"] == 0
    gif.seek(3)
    assert gif.info["duration"] == 1000


def test_backend_follows_the_environment_or_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    assert choose_backend() == "osmesa"
    monkeypatch.delenv("MUJOCO_GL")
    monkeypatch.setattr("vnb_sim_bridge.render.gl._has_library", lambda name: "OSMesa" in name)
    assert choose_backend() == "osmesa"
    monkeypatch.setattr("vnb_sim_bridge.render.gl._has_library", lambda name: False)
    with pytest.raises(RenderError, match="libegl1"):
        choose_backend()

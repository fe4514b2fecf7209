"""Films of a policy, and that nothing else depends on them."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from suite.errors import UserError
from suite.record import schema
from suite.tracking import film
from suite.tracking.film import Camera, write_video


class Countdown(gymnasium.Env):
    """Ends after some steps; a frame is as grey as steps were taken."""

    observation_space, action_space = spaces.Box(0, 9, (1,)), spaces.Discrete(2)

    def __init__(self, steps: int = 5) -> None:
        self.steps, self.taken = steps, 0
        self.render_mode: str | None = None

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[np.ndarray, dict]:
        self.taken = 0
        return np.zeros(1), {}

    def step(self, action: Any) -> tuple[np.ndarray, float, bool, bool, dict]:
        self.taken += 1
        return np.full(1, self.taken), 1.0, self.taken == self.steps, False, {}

    def render(self) -> Any:
        return np.full((20, 30, 3), self.taken, np.uint8) if self.render_mode == "rgb_array" else None


def frames(path: Path) -> int:
    import cv2

    video = cv2.VideoCapture(str(path))
    count = 0
    while video.read()[0]:
        count += 1
    return count


def test_only_the_epochs_that_were_asked_for_are_filmed(tmp_path: Path) -> None:
    clocks: list[int] = []
    camera = Camera(tmp_path, [2], Countdown, seed=0)
    for epoch in (1, 2, 3):
        camera.shoot(epoch, lambda seen, clock: clocks.append(int(clock)) or 0)
    assert [path.name for path in (tmp_path / schema.VIDEOS).iterdir()] == ["epoch-2.webm"]
    assert frames(tmp_path / schema.video(2)) == 5
    assert clocks == [0, 1, 2, 3, 4]


def test_a_long_episode_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "LONGEST", 3)
    Camera(tmp_path, [1], lambda: Countdown(10**9), seed=0).shoot(1, lambda *_: 0)
    assert frames(tmp_path / schema.video(1)) == 3


def test_a_film_that_fails_is_said_and_no_more(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Camera(tmp_path, [1], lambda: 1 / 0, seed=0).shoot(1, lambda *_: 0)  # type: ignore[arg-type, return-value]
    assert "no film of epoch 1 (division by zero)" in caplog.text
    assert not (tmp_path / schema.VIDEOS).exists()


def test_a_film_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be written"):
        write_video(tmp_path / "no" / "film.webm", [np.zeros((20, 30, 3), np.uint8)])


@pytest.mark.parametrize("rendered", [None, "a text", np.zeros((20, 30, 3)), np.zeros((20, 30), np.uint8)])
def test_an_environment_that_renders_no_picture_is_one_line(rendered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Countdown, "render", lambda self: rendered)
    with pytest.raises(UserError, match="should be uint8"):
        film.play(film.for_film(Countdown()), lambda seen: 0, seed=0, film=[])

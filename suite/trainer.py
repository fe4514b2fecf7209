"""The training loop: take a turn, learn, evaluate, record. It knows no environment, data set, agent or method."""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from suite import diagnostics, divergence
from suite.diagnostics import Diagnostics
from suite.errors import Divergence
from suite.experience import Experience
from suite.experience.batches import Batches
from suite.experience.saved import SavedTrainer, validated
from suite.learner import Learner
from suite.options import TrainerOptions
from suite.population import contained
from suite.tracking.checkpoint import Checkpoints, State, fill, leaves
from suite.tracking.film import Camera
from suite.tracking.tracker import Tracker
from suite.types import LearnerState

DIVERGED = "training diverged"
logger = logging.getLogger(__name__)
BEGIN, TRAIN, EVALUATE = "begin", "train", "evaluate"  # the stages of an epoch


class Parts(NamedTuple):
    """The parts of a run."""

    experience: Experience
    make_environment: Callable[[], gymnasium.Env]  # for evaluation and videos
    learner: Learner


class Trainer:
    """Train one learner on one experience and report to a tracker. Environments made here are for evaluation."""

    def __init__(
        self,
        parts: Parts,
        tracker: Tracker,
        options: TrainerOptions,
        seed: int,
        checkpoints: Checkpoints | None = None,
        camera: Camera | None = None,
    ) -> None:
        self.experience, self.make_environment, self.learner = parts
        self.tracker, self.options, self.seed = tracker, options, seed
        self.checkpoints, self.camera = checkpoints, camera
        self.diagnostics = Diagnostics(self.learner.agent, self.learner.inspect)
        self.epoch = 1
        self.stage = BEGIN  # of the epoch
        self.gradient_step = 0
        self.sound_step = 0  # the last gradient step at which all numbers were found finite
        self.loss: float | None = None  # mean TD loss of the elected network over the last complete election window

    def run(self, saved: State | None = None) -> LearnerState:
        """Train for all epochs, or for the rest of them after `saved`.

        Raises Divergence if numbers that training needs are NaN or infinite, and KeyboardInterrupt, after a checkpoint,
        if the run is asked to end.
        """
        self.start()
        if saved:
            self.restore(saved)
        while self.epoch <= self.options.epochs:
            if self.stage == BEGIN:
                self.experience.begin_epoch(self.epoch)
                self.stage = TRAIN
            if self.stage == TRAIN:
                self._train_epoch()
                self.stage = EVALUATE
            if self.options.evaluation_episodes:
                self._evaluate()
            self.epoch, self.stage = self.epoch + 1, BEGIN
            self._pause(epoch_ended=True)
        self.experience.close()
        return self.state

    def start(self) -> None:
        """Initialize the state before the first agent step."""
        self.state = self.learner.init(self.seed)
        self.experience.start(self.seed)
        self.batches = Batches(self.experience.sample, self.seed, self.learner.draws_ahead)

    def save(self) -> State:
        """Return the state that a later process needs to resume between two turns."""
        return {
            "epoch": self.epoch,
            "stage": self.stage,
            "agent_step": self.experience.agent_step,
            "gradient_step": self.gradient_step,
            "loss": self.loss,
            "masks": self.diagnostics.before,
            "seconds": self.tracker.seconds(),
            "learner": leaves(self._listed()),
            "experience": self.experience.save(),
        }

    def restore(self, saved: State) -> None:
        """Resume from the result of `save`, after `start`. Raises UserError for an incompatible checkpoint."""
        state = validated(SavedTrainer, saved)
        self.epoch, self.stage, self.gradient_step = state.epoch, state.stage, state.gradient_step
        self.loss, self.diagnostics.before = state.loss, state.masks
        self.sound_step = self.gradient_step - self.gradient_step % self.learner.target_update_period
        filled = fill(self._listed(), state.learner)
        self.state = filled._replace(online=contained(filled.online, like=self.state.online))
        self.experience.restore(state.experience)

    def _listed(self) -> LearnerState:
        """Return the state network by network, as checkpoints name its arrays on every device."""
        return self.state._replace(online=tuple(self.state.online))

    def _pause(self, *, epoch_ended: bool = False) -> None:
        """Write a checkpoint if one is due, between two turns. Raises KeyboardInterrupt if the run is asked to end."""
        if self.checkpoints and self.checkpoints.should_save(epoch_ended=epoch_ended):
            self.checkpoints.save(self.save())
            if self.checkpoints.asked():
                raise KeyboardInterrupt

    def _train_epoch(self) -> None:
        ended = False
        while not ended or self.experience.agent_step < self.epoch * self.options.epoch_agent_steps:
            self._pause()
            ended = self.step()
            self.tracker.progress(self.experience.agent_step)
        if self.epoch == self.options.epochs:
            self._learn()  # in other epochs, the next turn takes the last gradient steps
        if self.camera:
            self.camera.shoot(self.epoch, partial(self.learner.act_greedily, divergence.sound_first(self.state)))
        measured = self.learner.measure(self.state)
        self.tracker.log(
            "epoch",
            self._clocks(),
            epoch=self.epoch,
            **self.experience.summary(),
            loss=self.loss,
            seconds=self.tracker.seconds(),
            **measured,
        )
        self.tracker.log("weights", self._clocks(), epoch=self.epoch, layers=self.learner.weights(self.state))
        if transitions := self.options.diagnostic_transitions:
            batch = diagnostics.sample(self.experience.sample, self.seed, self.epoch, transitions)
            self.tracker.log(
                "diagnostics", self._clocks(), epoch=self.epoch, **self.diagnostics.measure(self.state, batch)
            )
        self._check()

    def step(self) -> bool:
        """Take one turn; return whether an epoch may end here.

        Gradient steps are dispatched right after the choice of the action, and the host waits for the action only: the
        device learns while the environment runs. The next action waits for these gradient steps, so every action is
        chosen with the newest parameters.
        """
        self.batches.prepare(self.gradient_step, self._known())
        choice = self.experience.choose(partial(self.learner.act, self.state))
        self._learn()
        try:
            return self.experience.take(choice)
        except Divergence as error:
            raise self._diverged(str(error)) from None

    def _learn(self) -> None:
        """Take the gradient steps that are due."""
        due = self._due(self.experience.agent_step)
        while self.gradient_step < due:
            number = self.learner.uninterrupted(self.gradient_step, due - self.gradient_step)
            batches = [self.batches.get(self.gradient_step + n, self._known()) for n in range(number)]
            if number == 1:
                self.state = self.learner.update(self.state, batches[0], self.gradient_step)
            else:
                self.state = self.learner.gradient_steps(self.state, batches)
            self.gradient_step += number
            if self.gradient_step % self.learner.target_update_period == 0:
                self._update_target()

    def _due(self, agent_step: int) -> int:
        """Return the number of gradient steps that are due at this agent step, since the start of the run."""
        return int((agent_step - self.options.initial_samples) * self.options.replay_ratio)

    def _known(self) -> int:
        """Return the number of batches, from the start of the run, that the present transitions determine."""
        if self.experience.fixed_in_epoch:
            return self._due(self.epoch * self.options.epoch_agent_steps)
        return self._due(self.experience.agent_step)

    def _update_target(self) -> None:
        self.state, update = self.learner.update_target(self.state)
        row = update._asdict()
        del row["sound"]
        self.tracker.log("target_update", self._clocks(), **row)
        self.loss = float(np.asarray(update.losses)[int(update.elected)]) / self.learner.election_steps
        if int(update.elected) < 0:
            raise self._diverged(f"{DIVERGED}: no online network has a finite loss")
        if not update.sound:
            raise self._diverged(DIVERGED)
        out = np.flatnonzero(~np.isfinite(np.asarray(update.losses))).tolist()
        if out:
            logger.warning(
                "gradient step %s: online networks %s are NaN or infinite; copies of the elected one replace them",
                self.gradient_step,
                out,
            )
        self.sound_step = self.gradient_step

    def _check(self) -> None:
        """Check all numbers at the end of an epoch. Raises Divergence if training cannot recover.

        The next target update replaces an online network that diverged, if another one is finite.
        """
        found = divergence.lost(self.state)
        last = self.epoch == self.options.epochs and "online network 0" in found  # the result of the run
        if divergence.is_fatal(found, len(self.state.online)) or last:
            raise self._diverged(DIVERGED)
        if not found:
            self.sound_step = self.gradient_step

    def _diverged(self, what: str) -> Divergence:
        """Return the error, with the networks and layers that are not finite, and since when."""
        found = divergence.lost(self.state)
        clocks = f"gradient step {self.gradient_step:,}, agent step {self.experience.agent_step:,}"
        if not found:
            return Divergence(f"{what} ({clocks}; all networks are finite)")
        networks = "; ".join(f"{name}: {text}" for name, text in found.items())
        return Divergence(
            f"{what} ({clocks}; all was finite at gradient step {self.sound_step:,}). {networks}. A smaller learning"
            " rate (agent.*learning_rate) may help"
        )

    def _evaluate(self) -> None:
        """Evaluate: a function of the state, the seed and the epoch, so an interrupted evaluation starts again."""
        environment, acting = self.make_environment(), divergence.sound_first(self.state)
        first_seed = int(np.random.SeedSequence([self.seed, self.epoch]).generate_state(1)[0] >> 1)
        returns, clock = [], self.experience.agent_step
        for episode in range(self.options.evaluation_episodes):
            observation, _ = environment.reset(seed=None if episode else first_seed)
            episode_return, ended = 0.0, False
            while not ended:
                action = np.asarray(self.learner.act_greedily(acting, observation, np.int32(clock)))
                observation, reward, terminated, truncated, _ = environment.step(action)
                divergence.refuse(
                    "the return", episode_return + float(reward), f"in the evaluation of epoch {self.epoch}"
                )
                episode_return, ended, clock = episode_return + float(reward), terminated or truncated, clock + 1
                self.tracker.progress(self.experience.agent_step)
                self._pause()
            returns.append(episode_return)
        environment.close()
        self.tracker.log(
            "evaluation",
            self._clocks(),
            epoch=self.epoch,
            **{"return": float(np.mean(returns))},
            episodes=len(returns),
            episode_returns=returns,
        )

    def _clocks(self) -> dict[str, Any]:
        return {"agent_step": self.experience.agent_step, "gradient_step": self.gradient_step}

"""Step sizes of gradient ascent as actions: a policy learnt offline by conservative soft actor-critic, from transitions between visible designs.

For PGS (arXiv 2405.05349; yassineCh/PGS @5483729, `conservative_sac.py`, which is the usual CQL-SAC). The state is a design, the
action a number in (-1, 1) for each of its coordinates, the reward the gain in score.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

#: Raised whenever a change here could move a score (see `bbo.versions`).
VERSION = 1

#: Bounds of the policy's log standard deviation.
LOG_STD = (-20.0, 2.0)


@dataclass(frozen=True)
class Transitions:
    """Steps between visible designs, as row numbers, so that nothing of the table is stored twice.

    Attributes:
        x: designs (n, d). y: scores (n,). slope: gradient of the surrogate at each (n, d).
        rows: rows of each trajectory in its order (T, L + 1).
    """

    x: Tensor
    y: Tensor
    slope: Tensor
    rows: Tensor

    #: Step sizes up to this many times the gradient can be written as an action.
    REACH = 10.0

    def batch(self, size: int, generator: Generator) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """States (B, d), actions (B, d), rewards (B,), next states (B, d), and 1 where a trajectory ends (B,); drawn with replacement."""
        count, length = self.rows.shape
        drawn = torch.randint(count * (length - 1), (size,), generator=generator, device=self.x.device)
        trajectory, step = drawn // (length - 1), drawn % (length - 1)
        a, b = self.rows[trajectory, step], self.rows[trajectory, step + 1]
        return self.x[a], self.actions(a, b), self.y[b] - self.y[a], self.x[b], (step == length - 2).to(self.y.dtype)

    def actions(self, a: Tensor, b: Tensor) -> Tensor:
        """The step sizes (B, d), over REACH, by which the gradient leads from rows a (B,) to rows b (B,); 0 where that is beyond reach."""
        way, slope = self.x[b] - self.x[a], self.slope[a]
        size = torch.where(slope == 0, 0.0, way / slope) / self.REACH
        return torch.where(size.abs() > 1, 0.0, size).clamp(-0.999, 0.999)


def trajectories(rows: int, count: int, length: int, generator: Generator, device: torch.device) -> Tensor:
    """Random rows (count, length + 1), no row twice in a trajectory; shorter where there are fewer rows."""
    size = min(length + 1, rows)
    part = max(1, 2**24 // rows)
    keys = (torch.rand(min(part, count - i), rows, generator=generator, device=device) for i in range(0, count, part))
    return torch.cat([k.topk(size, dim=1).indices for k in keys])


class Stack(nn.Module):
    """Two hidden ReLU layers and an output that starts near zero; K independent ones side by side.

    The first layer's inputs come in two parts, state and action. It is linear, so the state's share is computed once for all
    actions that are weighed in that state.
    """

    def __init__(self, members: int, state: int, action: int, hidden: int, outputs: int, generator: Generator) -> None:
        super().__init__()
        device = generator.device

        def drawn(*shape: int, bound: float) -> nn.Parameter:
            return nn.Parameter(torch.empty(*shape, device=device).uniform_(-bound, bound, generator=generator))

        first, second = (state + action) ** -0.5, hidden**-0.5
        self.of_state = drawn(members, state, hidden, bound=first)
        if action:
            self.of_action = drawn(members, action, hidden, bound=first)
        self.shift = drawn(members, 1, hidden, bound=first)
        self.middle = drawn(members, hidden, hidden, bound=second)
        self.middle_shift = drawn(members, 1, hidden, bound=second)
        self.out = drawn(members, hidden, outputs, bound=0.01 * math.sqrt(6 / (hidden + outputs)))
        self.out_shift = nn.Parameter(torch.zeros(members, 1, outputs, device=device))

    def forward(self, state: Tensor, action: Tensor | None = None) -> Tensor:
        """States (B, d), and for each of them actions (B, A, d), to outputs (K, B, A, outputs); without actions (K, B, outputs)."""
        hidden = state @ self.of_state + self.shift
        if action is not None:
            part = action.flatten(0, 1) @ self.of_action
            hidden = (part.unflatten(1, action.shape[:2]) + hidden[:, :, None]).flatten(1, 2)
        hidden = torch.baddbmm(self.middle_shift, hidden.relu(), self.middle).relu()
        out = torch.baddbmm(self.out_shift, hidden, self.out)
        return out if action is None else out.unflatten(1, action.shape[:2])


class StepPolicy(nn.Module):
    """A Gaussian squashed by tanh, for each coordinate by itself: from a design to the step size of each of its coordinates."""

    def __init__(self, dim: int, hidden: int, generator: Generator) -> None:
        super().__init__()
        self.stack = Stack(1, dim, 0, hidden, 2 * dim, generator)
        self.scale = nn.Parameter(torch.ones((), device=generator.device))
        self.offset = nn.Parameter(torch.full((), -1.0, device=generator.device))

    def forward(self, state: Tensor) -> tuple[Tensor, Tensor]:
        """States (B, d) to mean and log standard deviation (B, d), before tanh."""
        mean, log_std = self.stack(state)[0].chunk(2, dim=-1)
        return mean, (self.scale * log_std + self.offset).clamp(*LOG_STD)

    def best(self, state: Tensor) -> Tensor:
        """The step sizes (B, d) without chance."""
        return self(state)[0].tanh()

    def draw(self, state: Tensor, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """`count` actions for each state (B, count, d), differentiable, and their log densities (B, count)."""
        mean, log_std = (part[:, None] for part in self(state))
        noise = torch.randn(len(state), count, state.shape[1], generator=generator, device=state.device)
        inner = mean + log_std.exp() * noise
        normal = -0.5 * noise.square() - log_std - 0.5 * math.log(2 * math.pi)
        squash = 2 * (math.log(2) - inner - F.softplus(-2 * inner))  # log(1 - tanh^2), without loss of digits
        return inner.tanh(), (normal - squash).sum(-1)


@dataclass(frozen=True)
class ActorCritic:
    """Settings of the training; the published ones are CQL-SAC's usual ones.

    Args:
        hidden: width of both hidden layers of every network. batch_size: transitions in an update. learning_rate: Adam's step.
        discount: of future gains. follow: share by which the target networks follow in each update.
        caution: weight of the conservative term. draws: actions that it weighs from each of three sources.
    """

    hidden: int = 256
    batch_size: int = 256
    learning_rate: float = 3e-4
    discount: float = 0.99
    follow: float = 5e-3
    caution: float = 5.0
    draws: int = 10

    def train(self, data: Transitions, updates: int, generator: Generator, each: Callable[[int, StepPolicy], None]) -> list[Tensor]:
        """Train a policy; `each` gets the number of updates done and the policy, after every update.

        Returns:
            for every update the losses of policy and critics and the weight of entropy, (3,), on the device.
        """
        dim, device = data.x.shape[1], data.x.device
        policy = StepPolicy(dim, self.hidden, generator)
        critics = Stack(2, dim, dim, self.hidden, 1, generator)
        targets = Stack(2, dim, dim, self.hidden, 1, generator).requires_grad_(requires_grad=False)
        targets.load_state_dict(critics.state_dict())
        log_entropy = torch.zeros((), device=device, requires_grad=True)
        adam = [torch.optim.Adam(p, lr=self.learning_rate) for p in (policy.parameters(), critics.parameters(), [log_entropy])]
        trace = []
        for update in range(1, updates + 1):
            state, action, reward, after, end = data.batch(self.batch_size, generator)
            drawn, log_density = policy.draw(state, 1, generator)
            entropy_weight = log_entropy.detach().exp()
            policy_loss = (entropy_weight * log_density - critics(state, drawn)[..., 0].amin(0)).mean()
            policy_slope = torch.autograd.grad(policy_loss, list(policy.parameters()))
            critic_loss = self.critic_loss(policy, critics, targets, (state, action, reward, after, end), generator)
            critic_slope = torch.autograd.grad(critic_loss, list(critics.parameters()))
            # Entropy is aimed at -d.
            entropy_slope = -(log_density.detach() - dim).mean()
            for optimiser, slopes in zip(adam, (policy_slope, critic_slope, (entropy_slope,)), strict=True):
                for parameter, slope in zip(optimiser.param_groups[0]["params"], slopes, strict=True):
                    parameter.grad = slope
                optimiser.step()
            with torch.no_grad():
                for target, critic in zip(targets.parameters(), critics.parameters(), strict=True):
                    target.lerp_(critic, self.follow)
            trace.append(torch.stack([policy_loss.detach(), critic_loss.detach(), entropy_weight]))
            each(update, policy)
        return trace

    def critic_loss(
        self, policy: StepPolicy, critics: Stack, targets: Stack, batch: tuple[Tensor, ...], generator: Generator
    ) -> Tensor:
        """Squared temporal difference, and `caution` times how much the critics prefer drawn actions to those of the data."""
        state, action, reward, after, end = batch
        with torch.no_grad():
            following, _ = policy.draw(after, 1, generator)
            value = reward + (1 - end) * self.discount * targets(after, following)[..., 0].amin(0)[:, 0]
            shape = (len(state), self.draws, state.shape[1])
            uniform = 2 * torch.rand(shape, generator=generator, device=state.device) - 1
            here, here_density = policy.draw(state, self.draws, generator)
            there, there_density = policy.draw(after, self.draws, generator)
            uniform_density = torch.full_like(here_density, -state.shape[1] * math.log(2))
            density = torch.cat([uniform_density, there_density, here_density], dim=1)
        found = critics(state, torch.cat([action[:, None], uniform, there, here], dim=1))[..., 0]
        known, others = found[:, :, 0], found[:, :, 1:]
        error = (known - value).square().mean(1)
        excess = (torch.logsumexp(others - density, dim=2) - known).mean(1)
        return (error + self.caution * excess).sum()

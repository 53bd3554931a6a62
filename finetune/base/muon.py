"""Muon: momentum whose matrix is pushed towards orthogonal before it is applied.

torch.optim.Muon always does it in bfloat16, which a CPU without units for it computes about thirty times slower; hence
this file, which is told the type. For 2-D hidden weights only; embeddings, norms and biases belong to AdamW.
"""

from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

# Coefficients of the quintic Newton-Schulz iteration (Jordan et al. 2024): steep at zero, all values end near 1.
A, B, C = 3.4445, -4.7750, 2.0315


def orthogonal(matrix: Tensor, steps: int = 5) -> Tensor:
    """Returns the matrix with its singular values pushed to about 1; works on the shorter side."""
    x = matrix / (matrix.norm() + 1e-7)
    x = x.T if matrix.shape[0] > matrix.shape[1] else x  # (short, long)
    for _ in range(steps):
        gram = x @ x.T  # (short, short)
        x = A * x + (B * gram + C * gram @ gram) @ x
    return x.T if matrix.shape[0] > matrix.shape[1] else x


class Muon(Optimizer):  # type: ignore[misc]  # torch is not read by the type checker
    """One momentum buffer per matrix; Nesterov.

    Args:
        dtype: In which updates are made orthogonal; bfloat16 is twice as fast where there are units for it.
    """

    def __init__(
        self, params: list[Tensor], lr: float, momentum: float = 0.95, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})
        self._dtype = dtype

    def step(self, closure: None = None) -> None:
        """Applies one update; a tall matrix moves further, as its columns see fewer inputs."""
        with torch.no_grad():
            for group in self.param_groups:
                self._step_group(group)

    def _step_group(self, group: dict[str, Any]) -> None:
        for weight in group["params"]:
            state = self.state[weight]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(weight)
            state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
            update = orthogonal(weight.grad.lerp(state["momentum"], group["momentum"]).to(self._dtype))
            scale = max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5
            weight.add_(update, alpha=-group["lr"] * scale)

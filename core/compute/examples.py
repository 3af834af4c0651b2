"""The functions that the lab runs, as a guide to mx.compile would show them; their source is what the window shows.

After https://ml-explore.github.io/mlx/build/html/usage/compile.html and the guide of MetalFaiss.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim

from core.compute import kernels

Step = Callable[[mx.array, mx.array], Any]  # of inputs and targets, the loss


def gelu(x: mx.array) -> mx.array:
    return x * (1 + mx.erf(x / math.sqrt(2))) / 2


def gelu_sum(x: mx.array) -> mx.array:
    return gelu(x).sum()


def svd_by_qr(a: mx.array, v: mx.array) -> mx.array:
    for _ in range(3):
        z = a.T @ (a @ v)
        v, _ = mx.linalg.qr(z, stream=mx.cpu)
    return v


def svd_by_gram_schmidt(a: mx.array, v: mx.array) -> mx.array:
    for _ in range(3):
        z = a.T @ (a @ v)
        columns: list[mx.array] = []
        for j in range(z.shape[1]):
            column = z[:, j]
            for _ in range(2 if columns else 0):
                basis = mx.stack(columns, axis=1)
                column = column - basis @ (basis.T @ column)
            columns.append(column / mx.linalg.norm(column))
        v = mx.stack(columns, axis=1)
    return v


def z_step(a: mx.array, v: mx.array) -> mx.array:
    return a.T @ (a @ v)


def z_step_by_kernels(a: mx.array, v: mx.array) -> mx.array:
    return kernels.z_step(a, v)


def on_both_devices(a: mx.array, v: mx.array) -> tuple[mx.array, mx.array]:
    b = mx.matmul(a, v, stream=mx.gpu)
    small = mx.abs(v, stream=mx.cpu) < 1e-6
    return b, mx.where(small, 0.0, v, stream=mx.cpu)


def linear_training(dims: int) -> tuple[Step, list[Any]]:
    model = nn.Linear(dims, 1)
    optimizer = optim.SGD(learning_rate=0.1, momentum=0.8)
    optimizer.init(model.trainable_parameters())

    def loss_of(model: nn.Linear, x: mx.array, y: mx.array) -> Any:
        return nn.losses.binary_cross_entropy(model(x).squeeze(), y, reduction="mean")

    def step(x: mx.array, y: mx.array) -> Any:
        loss, gradients = nn.value_and_grad(model, loss_of)(model, x, y)
        optimizer.update(model, gradients)
        return loss

    return step, [model.state, optimizer.state]


def dropout_training(dims: int) -> tuple[Step, list[Any]]:
    model = nn.Sequential(nn.Linear(dims, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 1))
    optimizer = optim.SGD(learning_rate=0.1, momentum=0.8)
    optimizer.init(model.trainable_parameters())

    def loss_of(model: nn.Sequential, x: mx.array, y: mx.array) -> Any:
        return nn.losses.binary_cross_entropy(model(x).squeeze(), y, reduction="mean")

    def step(x: mx.array, y: mx.array) -> Any:
        loss, gradients = nn.value_and_grad(model, loss_of)(model, x, y)
        optimizer.update(model, gradients)
        return loss

    return step, [model.state, optimizer.state, mx.random.state]

#!/usr/bin/env python3
"""PyTorch's training step on an NVIDIA card, for docs/benchmarks.md "A GPU".

The network of `mlet bench step --shape criteo` (tables capped at 100,000 rows, 13 dense features, bottom MLP
512-256-128-d, top MLP 512-256-1, dot interaction, plain SGD), in float32 without TF32. Two ways to write the tables:

  tables   an EmbeddingBag and a linear layer a table, sparse gradients, as DLRM does it
  fused    one matrix for all tables, one lookup, one batched product

Each is run eagerly, and as a CUDA graph that is replayed. A sparse gradient cannot be captured where it waits for the
host, so the graph steps the looked-up rows itself: rows.index_add_(0, row numbers, -rate * gradient).

All batches lie on the card before the clock starts, and the loss is never read: both in PyTorch's favour. A time is a
block of steps between two synchronisations. With --mlet, `mlet bench step` of the same set-up takes turns with the variants.
Prints a line of JSON a variant: medians over all rounds, and how many times as long as mlet's step it takes.

  python tests/peer/step_cuda.py --mlet target/release/mlet [--batch 128] [--inner-dim 64] [--single] [--rounds 5]
"""
import argparse
import json
import statistics
import subprocess
import time

import torch
from torch import nn
from torch.nn import functional

CRITEO = [1460, 583, 10131227, 2202608, 305, 24, 12517, 633, 3, 93145, 5683, 8351593, 3194, 27,
          14992, 5461306, 10, 5652, 2173, 4, 7046547, 18, 15, 286181, 105, 142572]
DENSE, BOTTOM, TOP = 13, [512, 256, 128], [512, 256]
BATCHES = 64


def mlp(widths, relu_at_the_end):
    layers = []
    for i, (n, m) in enumerate(zip(widths, widths[1:])):
        layers.append(nn.Linear(n, m))
        if relu_at_the_end or i + 2 < len(widths):
            layers.append(nn.ReLU())
    return nn.Sequential(*layers)


class Dlrm(nn.Module):
    """MLPs and the dot interaction; `embed` is the subclass's."""

    def __init__(self, sizes, inner, d):
        super().__init__()
        self.bottom = mlp([DENSE] + BOTTOM + [d], True)
        features = len(sizes) + 1
        self.top = mlp([d + features * (features - 1) // 2] + TOP + [1], False)
        rows, columns = torch.tril_indices(features, features, offset=-1)
        self.register_buffer("flat", rows * features + columns)

    def logits(self, dense, embedded):
        h = self.bottom(dense)
        t = torch.cat([h[:, None, :], embedded], dim=1)
        z = torch.bmm(t, t.transpose(1, 2)).flatten(1).index_select(1, self.flat)
        return self.top(torch.cat([h, z], dim=1)).squeeze(1)


class Tables(Dlrm):
    """A table at a time."""

    def __init__(self, sizes, inner, d):
        super().__init__(sizes, inner, d)
        self.first = nn.ParameterList([nn.Parameter(uniform(n, inner or d)) for n in sizes])
        self.further = nn.ModuleList([nn.Linear(inner, d, bias=False) for _ in sizes] if inner else [])

    def look_up(self, categories, sparse):
        offsets = torch.arange(categories.shape[1], device=categories.device)
        return [functional.embedding_bag(c, w, offsets, mode="sum", sparse=sparse)
                for c, w in zip(categories, self.first)]

    def further_factors(self, rows):
        return torch.stack([f(x) for f, x in zip(self.further, rows)] if len(self.further) else list(rows), dim=1)


class Fused(Dlrm):
    """All tables in one matrix."""

    def __init__(self, sizes, inner, d):
        super().__init__(sizes, inner, d)
        starts = torch.tensor([0] + sizes[:-1]).cumsum(0)
        self.register_buffer("starts", starts[:, None])
        self.first = nn.ParameterList([nn.Parameter(torch.cat([uniform(n, inner or d) for n in sizes]))])
        self.further = nn.Parameter(torch.randn(len(sizes), inner, d) * 0.25) if inner else None

    def look_up(self, categories, sparse):
        return [functional.embedding(categories + self.starts, self.first[0], sparse=sparse)]

    def further_factors(self, rows):
        x = rows[0]
        return (torch.bmm(x, self.further) if self.further is not None else x).transpose(0, 1)


def uniform(n, width):
    return torch.empty(n, width).uniform_(-n ** -0.5, n ** -0.5)


def others(model):
    first = {id(p) for p in model.first}
    return [p for p in model.parameters() if id(p) not in first]


def eager(model, batches, rate):
    """A step as one writes it: sparse gradients, torch.optim.SGD."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)
    count = 0

    def step():
        nonlocal count
        dense, categories, label = batches[count % len(batches)]
        count += 1
        logits = model.logits(dense, model.further_factors(model.look_up(categories, True)))
        loss = functional.binary_cross_entropy_with_logits(logits, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return step


def graph(model, batches, rate):
    """The same as a graph: a replay after the batch was copied to where the graph reads it."""
    parameters = others(model)
    optimizer = torch.optim.SGD(parameters, lr=rate)
    static = [t.clone() for t in batches[0]]

    def once():
        dense, categories, label = static
        with torch.no_grad():
            rows = model.look_up(categories, False)
        rows = [r.detach().requires_grad_() for r in rows]
        logits = model.logits(dense, model.further_factors(rows))
        loss = functional.binary_cross_entropy_with_logits(logits, label)
        gradients = torch.autograd.grad(loss, parameters + rows)
        for p, g in zip(parameters, gradients):
            p.grad = g
        optimizer.step()
        with torch.no_grad():
            numbers = [categories + model.starts] if isinstance(model, Fused) else list(categories)
            for w, n, g in zip(model.first, numbers, gradients[len(parameters):]):
                w.index_add_(0, n.flatten(), g.flatten(0, -2), alpha=-rate)

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(5):
            once()
    torch.cuda.current_stream().wait_stream(side)
    captured = torch.cuda.CUDAGraph()
    with torch.cuda.graph(captured):
        once()
    count = 0

    def step():
        nonlocal count
        for target, source in zip(static, batches[count % len(batches)]):
            target.copy_(source)
        count += 1
        captured.replay()
    step.keeps = once  # the graph works on the memory of the model, and does not hold it
    return step


def measure(step, seconds):
    """Milliseconds a step of blocks of about 50 ms."""
    for _ in range(20):
        step()
    torch.cuda.synchronize()
    begin = time.perf_counter()
    for _ in range(10):
        step()
    torch.cuda.synchronize()
    block = max(1, int(0.05 / ((time.perf_counter() - begin) / 10)))
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        begin = time.perf_counter()
        for _ in range(block):
            step()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - begin) / block * 1e3)
    return times


def measure_mlet(a):
    """The same of mlet's step, with its loader: the medians of five rounds."""
    options = ["--embedding-dim", a.embedding_dim, "--batch-size", a.batch, "--cap", a.cap, "--seconds", 2 * a.seconds]
    options += [] if a.single else ["--inner-dim", a.inner_dim]
    command = [a.mlet, "bench", "step", "--json", "--device", a.device, "--rounds", 5, *options]
    run = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True)
    return [found["median_ms"] for found in json.loads(run.stdout)["by_round"]]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mlet", default="", help="the program that takes turns")
    parser.add_argument("--device", default="vulkan:NVIDIA", help="the card as mlet names it")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--inner-dim", type=int, default=64)
    parser.add_argument("--embedding-dim", type=int, default=16)
    parser.add_argument("--single", action="store_true", help="one layer instead of two")
    parser.add_argument("--cap", type=int, default=100000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="of every variant in a round")
    a = parser.parse_args()
    torch.manual_seed(0)
    sizes = [min(n, a.cap) for n in CRITEO]
    inner = 0 if a.single else a.inner_dim
    batches = [(torch.rand(a.batch, DENSE).cuda(),
                torch.stack([torch.randint(n, (a.batch,)) for n in sizes]).cuda(),
                torch.randint(2, (a.batch,)).float().cuda()) for _ in range(BATCHES)]
    steps = {f"{name}, {make.__name__}": make(model(sizes, inner, a.embedding_dim).cuda(), batches, 1e-6)
             for name, model in [("tables", Tables), ("fused", Fused)] for make in [eager, graph]}
    times = {name: [] for name in [*steps, "mlet"] if name != "mlet" or a.mlet}
    for _ in range(a.rounds):
        for name, step in steps.items():
            times[name] += measure(step, a.seconds)
        if a.mlet:
            times["mlet"] += measure_mlet(a)
    for name, found in times.items():
        median = statistics.median(found)
        line = dict(what=name, batch=a.batch, inner=inner, d=a.embedding_dim, ms_median=round(median, 5),
                    ms_p10=round(sorted(found)[len(found) // 10], 5), times=len(found))
        if a.mlet:
            line["over_mlet"] = round(median / statistics.median(times["mlet"]), 3)
        print(json.dumps(dict(line, torch=torch.__version__, device=torch.cuda.get_device_name())), flush=True)


if __name__ == "__main__":
    main()

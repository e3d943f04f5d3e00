#!/usr/bin/env python3
"""The same network, start and batches in PyTorch: do the losses agree?

    pip install torch numpy safetensors pyarrow scikit-learn
    mlet train --data DATA --out RUN0 --max-steps 0 --order sequential [model options]
    mlet train --data DATA --out RUN --max-steps 100 --log-every 1 --order sequential [the same options]
    python tests/peer/torch_losses.py RUN0 DATA --steps 100 --compare RUN/metrics.jsonl
    python tests/peer/torch_losses.py RUN DATA --steps 0 --evaluate validation,test

Reads RUN0/checkpoint.safetensors and RUN0/config.toml, takes the examples of DATA/train.arrow in file order, and trains with
plain SGD. Prints one JSON line a step, {"step", "loss"}, the loss being that of the batch before the step; with --compare a
last line with the worst relative difference to the losses of the other program. --double computes in float64. --control
computes in both and adds how far PyTorch's own float32 is from its float64. --perturb changes the start by about a rounding
error: with --double it shows what rounding alone can do to a trajectory. --evaluate measures the model as it is after the
steps on whole splits, with scikit-learn's LogLoss and AUC.

This is a second implementation on purpose: EmbeddingBag and Linear modules, autograd, torch.optim.SGD. The architecture is
read off the names and shapes of the checkpoint, not off the configuration.
"""
import argparse
import itertools
import json
import math
import pathlib
import re
import tomllib

import pyarrow
import pyarrow.ipc
import torch
from safetensors.torch import load_file
from sklearn.metrics import log_loss, roc_auc_score
from torch import nn


class DeepEmbedding(nn.Module):
    """EmbeddingBag(n, k), then Linear layers without bias: x @ factor.2 @ factor.3 …"""

    def __init__(self, factors):
        super().__init__()
        self.bag = nn.EmbeddingBag.from_pretrained(factors[0], freeze=False, mode="sum", sparse=True,
                                                   include_last_offset=True)
        self.rest = nn.Sequential()
        for factor in factors[1:]:
            linear = nn.Linear(*factor.shape, bias=False, dtype=factor.dtype)
            linear.weight.data.copy_(factor.T)  # Linear keeps (out, in), a factor is (in, out)
            self.rest.append(linear)

    def forward(self, rows, offsets):
        return self.rest(self.bag(rows, offsets))


def mlp(tensors, name, relu_at_end):
    """Linear and ReLU in turn, as many as the checkpoint has."""
    layers = nn.Sequential()
    for index in itertools.count(0, 2):
        weight = tensors.get(f"{name}.{index}.weight")
        if weight is None:
            break
        linear = nn.Linear(weight.shape[1], weight.shape[0], dtype=weight.dtype)
        linear.weight.data.copy_(weight)
        linear.bias.data.copy_(tensors[f"{name}.{index}.bias"])
        layers.extend([linear, nn.ReLU()])
    return layers if relu_at_end else layers[:-1]


class Dlrm(nn.Module):
    """Bottom MLP, tables, dot (or cat) interaction, top MLP; returns logits."""

    def __init__(self, tensors, features):
        super().__init__()
        self.bottom = mlp(tensors, "bottom_mlp", relu_at_end=True)
        self.top = mlp(tensors, "top_mlp", relu_at_end=False)
        tables = []
        for feature in features:
            names = (f"embedding.{feature}.factor.{j}" for j in itertools.count(1))
            tables.append(DeepEmbedding([tensors[name] for name in itertools.takewhile(tensors.__contains__, names)]))
        self.tables = nn.ModuleList(tables)
        width = self.bottom[-2].out_features
        vectors = len(features) + 1
        self.dot = self.top[0].in_features == width + vectors * (vectors - 1) // 2
        if not self.dot and self.top[0].in_features != width * vectors:
            raise SystemExit("the top MLP's input fits neither the dot interaction nor cat")
        self.register_buffer("pairs", torch.tril_indices(vectors, vectors, offset=-1))

    def forward(self, dense, bags):
        bottom = self.bottom(dense)
        vectors = [bottom] + [table(*bag) for table, bag in zip(self.tables, bags)]
        if not self.dot:
            return self.top(torch.cat(vectors, dim=1)).squeeze(1)
        stacked = torch.stack(vectors, dim=1)
        products = stacked @ stacked.transpose(1, 2)
        return self.top(torch.cat([bottom, products[:, self.pairs[0], self.pairs[1]]], dim=1)).squeeze(1)


def setting(config, name, given):
    """The value of `name` wherever it stands in the configuration."""
    if given is not None:
        return given
    found = [value for key, value in config.items() if key == name]
    for value in config.values():
        if isinstance(value, dict):
            inner = setting(value, name, None)
            found += [] if inner is None else [inner]
    return found[0] if found else None


def batches(path, schema, batch_size, steps, dtype):
    """The first batches of a split in file order: dense (B, M), labels (B), and (rows, offsets) a feature."""
    with pyarrow.memory_map(str(path)) as file:
        reader = pyarrow.ipc.open_file(file)
        needed = range(min(reader.num_record_batches, math.ceil(steps * batch_size / 65536)))
        table = pyarrow.Table.from_batches([reader.get_batch(i) for i in needed], schema=reader.schema)
        for start in range(0, min(steps * batch_size, table.num_rows), batch_size):
            part = table.slice(start, batch_size).combine_chunks()
            dense = [torch.tensor(part[name].to_numpy()) for name in schema["dense"]]
            bags = []
            for feature in schema["categorical"]:
                column = part[feature["name"]].to_pylist()
                column = column if feature["bag"] else [[row] for row in column]
                offsets = [0, *itertools.accumulate(len(bag) for bag in column)]
                bags.append((torch.tensor([row for bag in column for row in bag], dtype=torch.long), torch.tensor(offsets)))
            yield torch.stack(dense, dim=1).to(dtype), torch.tensor(part["label"].to_numpy()).to(dtype), bags


def evaluate(model, path, schema, dtype):
    """LogLoss and AUC over a whole split."""
    labels, probabilities = [], []
    with torch.no_grad():
        for dense, label, bags in batches(path, schema, 4096, 1 << 40, dtype):
            labels.append(label)
            probabilities.append(model(dense, bags).double().sigmoid())
    labels, probabilities = torch.cat(labels).numpy(), torch.cat(probabilities).numpy()
    return {"split": path.stem, "log_loss": log_loss(labels, probabilities), "auc": roc_auc_score(labels, probabilities),
            "mean_probability_over_share_of_positives": probabilities.mean() / labels.mean()}


def train(arguments, dtype):
    """Yields the loss of each step."""
    tensors = {name: tensor.to(dtype) for name, tensor in load_file(arguments.run / "checkpoint.safetensors").items()}
    generator = torch.Generator().manual_seed(0)
    for tensor in tensors.values() if arguments.perturb else []:
        tensor *= 1 + arguments.perturb * (2 * torch.rand(tensor.shape, generator=generator, dtype=dtype) - 1)
    config = tomllib.loads((arguments.run / "config.toml").read_text())
    schema = tomllib.loads((arguments.data / "dataset.toml").read_text())
    model = Dlrm(tensors, [feature["name"] for feature in schema["categorical"]])
    rate = setting(config, "learning_rate", arguments.learning_rate)
    scale = setting(config, "embedding_lr_scale", None) or 1.0
    batch_size = setting(config, "batch_size", arguments.batch_size)
    mse = setting(config, "loss", arguments.loss) == "mse"
    if rate is None or batch_size is None:
        raise SystemExit("config.toml has no learning_rate or batch_size: give --learning-rate and --batch-size")
    if (setting(config, "rule", None) or "sgd") != "sgd" or setting(config, "warmup_steps", None) or \
            setting(config, "decay_steps", None):
        raise SystemExit("only plain SGD with a constant learning rate is compared")
    mlps = [*model.bottom.parameters(), *model.top.parameters()]
    optimizer = torch.optim.SGD([{"params": mlps}, {"params": model.tables.parameters(), "lr": rate * scale}], lr=rate)
    for dense, label, bags in batches(arguments.data / "train.arrow", schema, batch_size, arguments.steps, dtype):
        logits = model(dense, bags)
        loss = nn.functional.mse_loss(logits.sigmoid(), label) if mse else \
            nn.functional.binary_cross_entropy_with_logits(logits, label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        yield loss.item()
    for split in arguments.evaluate.split(",") if arguments.evaluate else []:
        print(json.dumps(evaluate(model, arguments.data / f"{split}.arrow", schema, dtype)))


def compare(losses, path):
    """The worst relative difference to the losses in a metrics.jsonl."""
    theirs = {}
    for line in pathlib.Path(path).read_text().splitlines():
        record = json.loads(line)
        if "loss" in record and record.get("step", 0) >= 1:
            theirs[record["step"]] = record["loss"]
    both = [step for step in theirs if step <= len(losses)]
    if len(both) < len(losses):
        print(f"only {len(both)} of {len(losses)} steps are in {path}: log every step")
    if not both:
        raise SystemExit(1)
    difference, worst = worst_difference([theirs[step] for step in both], [losses[step - 1] for step in both])
    return {"steps_compared": len(both), "worst_relative_difference": difference, "at_step": both[worst],
            "torch": losses[both[worst] - 1], "other": theirs[both[worst]]}


def worst_difference(ours, theirs):
    """The largest |a − b| / |b| and its place."""
    difference = [abs(a - b) / abs(b) for a, b in zip(ours, theirs)]
    return max(difference), difference.index(max(difference))


def main():
    parser = argparse.ArgumentParser(description=re.split(r"\n\s*\n", __doc__)[0])
    parser.add_argument("run", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--compare", metavar="METRICS.jsonl")
    parser.add_argument("--evaluate", metavar="SPLITS", help="such as validation,test")
    parser.add_argument("--double", action="store_true", help="float64 arithmetic")
    parser.add_argument("--perturb", type=float, metavar="EPS", help="multiply the start by 1 ± EPS at random")
    parser.add_argument("--control", action="store_true", help="float64 too, to see what rounding does")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--learning-rate", type=float)
    parser.add_argument("--loss", choices=["bce", "mse"])
    arguments = parser.parse_args()
    losses = []
    for loss in train(arguments, torch.float64 if arguments.double else torch.float32):
        losses.append(loss)
        print(json.dumps({"step": len(losses), "loss": loss}))
    if arguments.compare:
        print(json.dumps(compare(losses, arguments.compare)))
    if arguments.control:
        exact = list(train(arguments, torch.float64))
        print(json.dumps({"torch_float32_against_float64": worst_difference(losses, exact)[0]}))
        if arguments.compare:
            print(json.dumps({"against_float64": compare(exact, arguments.compare)}))


if __name__ == "__main__":
    main()

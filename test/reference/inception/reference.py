"""Expected outputs of InceptionV3 in its FID variant, by an implementation of its own in PyTorch.

    node --import tsx test/generators/inception.ts weights.safetensors
    python test/reference/inception/reference.py weights.safetensors test/reference/inception/expected.json

Reads safetensors by hand, so it needs torch and numpy only. Everything is computed in float64.
"""
import json
import struct
import sys

import numpy
import torch
import torch.nn.functional as F


def read_safetensors(path):
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        array = numpy.frombuffer(data[begin:end], dtype="<f4").reshape(entry["shape"])
        tensors[name] = torch.from_numpy(array.copy()).double()
    return tensors


class Network:
    def __init__(self, weights):
        self.weights = weights
        self.maps = {}

    def layer(self, name, x, stride=1, padding=0):
        w = self.weights
        x = F.conv2d(x, w[name + ".conv.weight"], None, stride, padding)
        bn = [w[f"{name}.bn.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
        return F.relu(F.batch_norm(x, *bn, training=False, eps=0.001))

    def block_a(self, p, x):
        one = self.layer(p + ".branch1x1", x)
        five = self.layer(p + ".branch5x5_2", self.layer(p + ".branch5x5_1", x), padding=2)
        three = self.layer(p + ".branch3x3dbl_1", x)
        three = self.layer(p + ".branch3x3dbl_2", three, padding=1)
        three = self.layer(p + ".branch3x3dbl_3", three, padding=1)
        pool = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return torch.cat([one, five, three, self.layer(p + ".branch_pool", pool)], 1)

    def block_b(self, p, x):
        three = self.layer(p + ".branch3x3", x, stride=2)
        double = self.layer(p + ".branch3x3dbl_1", x)
        double = self.layer(p + ".branch3x3dbl_2", double, padding=1)
        double = self.layer(p + ".branch3x3dbl_3", double, stride=2)
        return torch.cat([three, double, F.max_pool2d(x, 3, stride=2)], 1)

    def block_c(self, p, x):
        row, column = (0, 3), (3, 0)
        one = self.layer(p + ".branch1x1", x)
        seven = self.layer(p + ".branch7x7_1", x)
        seven = self.layer(p + ".branch7x7_2", seven, padding=row)
        seven = self.layer(p + ".branch7x7_3", seven, padding=column)
        double = self.layer(p + ".branch7x7dbl_1", x)
        for i, padding in ((2, column), (3, row), (4, column), (5, row)):
            double = self.layer(f"{p}.branch7x7dbl_{i}", double, padding=padding)
        pool = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        return torch.cat([one, seven, double, self.layer(p + ".branch_pool", pool)], 1)

    def block_d(self, p, x):
        three = self.layer(p + ".branch3x3_2", self.layer(p + ".branch3x3_1", x), stride=2)
        seven = self.layer(p + ".branch7x7x3_1", x)
        seven = self.layer(p + ".branch7x7x3_2", seven, padding=(0, 3))
        seven = self.layer(p + ".branch7x7x3_3", seven, padding=(3, 0))
        seven = self.layer(p + ".branch7x7x3_4", seven, stride=2)
        return torch.cat([three, seven, F.max_pool2d(x, 3, stride=2)], 1)

    def block_e(self, p, x, largest):
        one = self.layer(p + ".branch1x1", x)
        three = self.layer(p + ".branch3x3_1", x)
        three_a = self.layer(p + ".branch3x3_2a", three, padding=(0, 1))
        three_b = self.layer(p + ".branch3x3_2b", three, padding=(1, 0))
        double = self.layer(p + ".branch3x3dbl_2", self.layer(p + ".branch3x3dbl_1", x), padding=1)
        double_a = self.layer(p + ".branch3x3dbl_3a", double, padding=(0, 1))
        double_b = self.layer(p + ".branch3x3dbl_3b", double, padding=(1, 0))
        if largest:
            pool = F.max_pool2d(x, 3, stride=1, padding=1)
        else:
            pool = F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)
        pool = self.layer(p + ".branch_pool", pool)
        return torch.cat([one, three_a, three_b, double_a, double_b, pool], 1)

    def run(self, x):
        def keep(name, value):
            self.maps[name] = value
            return value

        x = self.layer("Conv2d_1a_3x3", x, stride=2)
        x = self.layer("Conv2d_2a_3x3", x)
        x = keep("Conv2d_2b_3x3", self.layer("Conv2d_2b_3x3", x, padding=1))
        x = self.layer("Conv2d_3b_1x1", F.max_pool2d(x, 3, stride=2))
        x = F.max_pool2d(keep("Conv2d_4a_3x3", self.layer("Conv2d_4a_3x3", x)), 3, stride=2)
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = keep(name, self.block_a(name, x))
        x = keep("Mixed_6a", self.block_b("Mixed_6a", x))
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = keep(name, self.block_c(name, x))
        x = keep("Mixed_7a", self.block_d("Mixed_7a", x))
        x = keep("Mixed_7b", self.block_e("Mixed_7b", x, largest=False))
        x = keep("Mixed_7c", self.block_e("Mixed_7c", x, largest=True))
        features = x.mean((2, 3))
        return features, features @ self.weights["fc.weight"].T + self.weights["fc.bias"]


def corner_bilinear(x, size):
    """TensorFlow 1's resize: output pixel i reads at i * (in / out), the last row and column repeated."""
    for axis in (2, 3):
        count = x.shape[axis]
        at = torch.arange(size, dtype=torch.float64) * (count / size)
        low = at.floor().long()
        high = (low + 1).clamp(max=count - 1)
        share = at - low
        shape = [1, 1, 1, 1]
        shape[axis] = size
        share = share.reshape(shape)
        x = x.index_select(axis, low) * (1 - share) + x.index_select(axis, high) * share
    return x


def summary(x):
    return {"mean": x.mean().item(), "rms": x.square().mean().sqrt().item()}


def main(path, out):
    weights = read_safetensors(path)
    images = weights.pop("images").permute(0, 3, 1, 2)
    inputs = {
        "tensorflow": (corner_bilinear(images, 299) - 128) / 128,
        "pytorch": F.interpolate(images, size=(299, 299), mode="bilinear", align_corners=False) / 127.5 - 1,
        "small": images.repeat(1, 1, 3, 3)[:, :, :107, :95] / 127.5 - 1,
    }
    cases = {}
    for name, x in inputs.items():
        network = Network(weights)
        features, logits = network.run(x)
        cases[name] = {
            "input": summary(x),
            "maps": {key: {"shape": list(value.shape), **summary(value)} for key, value in network.maps.items()},
            "features": [float(f"{value:.8g}") for value in features[:, ::64].flatten()],
            "features_summary": summary(features),
            "logits": [float(f"{value:.8g}") for value in logits[:, ::63].flatten()],
            "logits_without_bias": [float(f"{v:.8g}") for v in (logits - weights["fc.bias"])[:, ::63].flatten()],
        }
    made = {"made_with": f"torch {torch.__version__.split('+')[0]}, float64", "cases": cases}
    with open(out, "w") as file:
        json.dump(made, file, indent=1)
        file.write("\n")


main(*sys.argv[1:])

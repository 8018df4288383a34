"""Sampling in PyTorch. One JSON line in, one out: {"open": spec} -> variants, {"run": variant, "count": n} -> times,
{"memory": spec, "variant": name, "count": n} in a fresh process -> bytes."""
import json
import math
import sys
import time

import torch

from device import use
from networks import MAR, VAE, AdaLNMLP
from resident import peak_of


def coefficients(steps):
    """Table of the respaced cosine process: one row of numbers per step."""
    cosine = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    bars = torch.cumprod(torch.tensor([1 - min(1 - cosine((i + 1) / 1000) / cosine(i / 1000), 0.999) for i in range(1000)], dtype=torch.float64), 0)
    chosen = torch.linspace(0, 999, steps).round().long()
    bars = bars[chosen]
    before = torch.cat([torch.ones(1, dtype=torch.float64), bars[:-1]])
    betas = 1 - bars / before
    variance = (betas * (1 - before) / (1 - bars)).clamp(min=1e-20)
    variance[0] = variance[1]
    columns = [betas.log(), variance.log(), betas * before.sqrt() / (1 - bars), (1 - before) * (1 - betas).sqrt() / (1 - bars)]
    columns += [(1 / bars).sqrt(), (1 / bars - 1).sqrt()]
    return chosen, torch.stack(columns, 1).float()


class ReverseStep(torch.nn.Module):
    """One ancestral step; with guidance the modulation holds both halves."""

    def __init__(self, network, guided):
        super().__init__()
        self.network, self.guided = network, guided

    def forward(self, x, modulation, time_row, row, noise, scale):
        output = self.network.body(torch.cat([x, x]) if self.guided else x, modulation + time_row)
        if self.guided:
            output, free = output.chunk(2, 0)
            epsilon, values = output.chunk(2, 1)
            free = free.chunk(2, 1)[0]
            epsilon = free + scale * (epsilon - free)
        else:
            epsilon, values = output.chunk(2, 1)
        log_beta, clipped, of_start, of_noised, inverse, minus = row.unbind(0)
        fraction = (values + 1) / 2
        log_variance = fraction * log_beta + (1 - fraction) * clipped
        mean = of_start * (inverse * x - minus * epsilon) + of_noised * x
        return mean + torch.exp(0.5 * log_variance) * noise


class Reverse:
    """The whole reverse process of a head, eager or as a frozen TorchScript graph per shape."""

    def __init__(self, network, steps, traced):
        self.network, self.steps, self.traced, self.graphs = network, steps, traced, {}
        self.chosen, self.table = coefficients(steps)

    def __call__(self, conditions, channels, scale=None):
        guided = scale is not None
        rows = conditions.shape[0] // (2 if guided else 1)
        modulation, times = self.network.cond(conditions), self.network.embed_times(self.chosen)
        scale = torch.tensor(1.0 if scale is None else scale)
        x, zeros = torch.randn(rows, channels), torch.zeros(rows, channels)
        step = self.graph(guided, (x, modulation, times[0], self.table[0], zeros, scale))
        for i in reversed(range(self.steps)):
            x = step(x, modulation, times[i], self.table[i], torch.randn(rows, channels) if i else zeros, scale)
        return x

    def graph(self, guided, example):
        if not self.traced:
            return ReverseStep(self.network, guided)
        key = (guided, example[0].shape)
        if key not in self.graphs:
            module = ReverseStep(self.network, guided).eval()
            self.graphs[key] = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(module, example)))
            for _ in range(3):
                self.graphs[key](*example)
        return self.graphs[key]


def images(model, reverse, size):
    """Whole images of MAR with linear guidance; only the predicted rows pass through the head."""
    c, batch, steps, scale = model.c, size["batch"], size["steps"], size["guidance"]
    tokens, buffer, channels = model.tokens, c["bufferSize"], c["latentChannels"]
    labels = torch.randint(0, c["classes"], (batch,))
    label = torch.cat([model.classes(labels), model.fake.expand(batch, -1)])
    order = torch.rand(batch, tokens).argsort(1)
    values, masked = torch.zeros(batch, tokens, channels), tokens
    for step in range(steps):
        left = max(1, min(masked - 1, math.floor(tokens * math.cos(math.pi / 2 * (step + 1) / steps))))
        left = 0 if step == steps - 1 else left
        mask = torch.zeros(batch, tokens, dtype=torch.bool).scatter_(1, order[:, :masked], True)
        after = torch.zeros(batch, tokens, dtype=torch.bool).scatter_(1, order[:, :left], True)
        predicted = mask & ~after
        places = torch.cat([torch.zeros(batch, buffer, dtype=torch.bool), mask], 1).repeat(2, 1).flatten()
        kept = (~places).nonzero()[:, 0]
        source = torch.full(places.shape, len(kept)).scatter_(0, kept, torch.arange(len(kept)))
        wanted = predicted.repeat(2, 1).flatten().nonzero()[:, 0]
        conditions = model.conditions(values.repeat(2, 1, 1), label, kept, source, wanted)
        values[predicted] = reverse(conditions, channels, 1 + (scale - 1) * (tokens - left) / tokens)
        masked = left
    return values


def variants(spec, only=None):
    """Every setting, or only one of them."""
    made, size, kind = {}, spec["size"], spec["kind"]
    for traced in [True, False] if kind != "decode" else [False]:
        for last in [False, True] if kind == "decode" else [False]:
            for threads in spec["threads"]:
                name = f"{'torch.jit' if traced else 'channels last' if last else 'eager'}, {threads} thread{'s' * (threads > 1)}"
                if only not in (None, name):
                    continue
                torch.set_num_threads(threads)
                if kind == "reverse":
                    network = AdaLNMLP(size["channels"], size["conditionWidth"], size["width"], size["depth"]).eval()
                    reverse, conditions = Reverse(network, size["steps"], traced), torch.randn(size["rows"], size["conditionWidth"])
                    run = lambda r=reverse, c=conditions: r(c, size["channels"])
                elif kind == "images":
                    model = MAR(size["config"]).eval()
                    reverse = Reverse(model.head, size["denoisingSteps"], traced)
                    run = lambda m=model, r=reverse: images(m, r, size)
                else:
                    network, c = VAE(size["config"]).eval(), size["config"]
                    side = c["resolution"] // 2 ** (len(c["multipliers"]) - 1)
                    latents = torch.randn(size["batch"], c["latentChannels"], side, side)
                    if last:
                        network, latents = network.to(memory_format=torch.channels_last), latents.to(memory_format=torch.channels_last)
                    run = lambda n=network, z=latents: n.decoder(z)
                run()
                made[name] = (run, threads)
    return made


def measured(question):
    run, _ = variants(question["memory"], question["variant"])[question["variant"]]
    for _ in range(question["count"]):
        run()


current = {}
with torch.inference_mode():
    for line in sys.stdin:
        question = json.loads(line)
        if "memory" in question:
            print(json.dumps(peak_of(lambda: measured(question))), flush=True)
            continue
        if "open" in question:
            wait = use(question["open"]["device"])
            torch.manual_seed(0)
            current = variants(question["open"])
            print(json.dumps(list(current)), flush=True)
            continue
        run, threads = current[question["run"]]
        torch.set_num_threads(threads)
        times = []
        wait()
        for _ in range(question["count"]):
            begin = time.perf_counter()
            run()
            wait()
            times.append(1000 * (time.perf_counter() - begin))
        print(json.dumps(times), flush=True)

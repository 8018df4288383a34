"""Training steps in PyTorch. One JSON line in, one out: {"open": spec} -> variants, {"run": variant, "count": n} -> times,
{"memory": spec, "variant": name, "count": n} in a fresh process -> bytes."""
import json
import sys
import time

import torch

from device import use
from networks import MAR, VAE, AdaLNMLP, ViT
from resident import peak_of


def workload(spec):
    """A network and a function that computes its loss."""
    kind, size = spec["kind"], spec["size"]
    g = torch.randn
    if kind == "mlp":
        network = AdaLNMLP(size["channels"], size["conditionWidth"], size["width"], size["depth"])
        rows = size["rows"]
        x, c, y = g(rows, size["channels"]), g(rows, size["conditionWidth"]), g(rows, 2 * size["channels"])
        t = torch.randint(0, 1000, (rows,))
        return network, lambda: (network(x, t, c) - y).square().mean()
    if kind == "vit":
        network = ViT(size["width"], size["depth"], size["heads"])
        x, y = g(size["batch"], size["tokens"], size["width"]), g(size["batch"], size["tokens"], size["width"])
        return network, lambda: (network(x) - y).square().mean()
    if kind == "mar":
        network = MAR(size["config"])
        tensors = {name: torch.tensor(values) for name, values in size["indices"].items()}
        batch, tokens, channels = size["batch"], network.tokens, size["config"]["latentChannels"]
        rows = len(tensors["wanted"]) * size["config"]["noisesPerToken"]
        latents, labels, drop = g(batch, tokens, channels), torch.randint(0, 10, (batch,)), torch.ones(batch, 1)
        t, noise = torch.randint(0, 1000, (rows,)), g(rows, channels)
        return network, lambda: network(latents, labels, drop, tensors["kept"], tensors["source"], tensors["wanted"], t, noise)
    network = VAE(size["config"])
    side = size["config"]["resolution"] // 2 ** (len(size["config"]["multipliers"]) - 1)
    images = g(size["batch"], 3, size["config"]["resolution"], size["config"]["resolution"])
    noise = g(size["batch"], size["config"]["latentChannels"], side, side)
    if size.get("channelsLast"):
        network, images, noise = (x.to(memory_format=torch.channels_last) for x in (network, images, noise))
    return network, lambda: network(images, noise)


def variants(spec, only=None):
    """Steps with the fused AdamW: eager, compiled, and for images channels last, with each number of threads; or only one of them."""
    made, counts = {}, spec["threads"]
    named = lambda kind, threads: f"{kind}, {threads} thread{'s' * (threads > 1)}"
    settings = [("eager", threads) for threads in counts]
    settings += [("torch.compile", threads) for threads in counts[:2] if threads > 1 and spec["compile"]]  # it takes a while
    settings += [("channels last", threads) for threads in counts if threads > 1 and spec["kind"] == "vae"]
    for kind, threads in settings:
        name = named(kind, threads)
        if only not in (None, name):
            continue
        torch.set_num_threads(threads)
        size = {**spec["size"], "channelsLast": kind == "channels last"}
        network, loss = workload({**spec, "size": size})
        decay = [p for p in network.parameters() if p.ndim > 1]
        rest = [p for p in network.parameters() if p.ndim <= 1]
        groups = [{"params": decay, "weight_decay": 0.02}, {"params": rest, "weight_decay": 0.0}]
        optimizer = torch.optim.AdamW(groups, lr=1e-4, betas=(0.9, 0.95), fused=True)
        average = [p.detach().clone() for p in network.parameters()]
        if kind == "torch.compile":
            loss = torch.compile(loss)

        def step(network=network, loss=loss, optimizer=optimizer, average=average):
            optimizer.zero_grad(set_to_none=True)
            value = loss()
            value.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 3.0, foreach=True)
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(average, list(network.parameters()), 1e-4)
            return value.item()

        try:
            for _ in range(3):
                step()
            made[name] = (step, threads)
        except Exception as error:  # torch.compile needs a C++ compiler
            print(f"{name}: {error}"[:300], file=sys.stderr)
    return made


def measured(question):
    step, _ = variants(question["memory"], question["variant"])[question["variant"]]
    for _ in range(question["count"]):
        step()


current = {}
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
    step, threads = current[question["run"]]
    torch.set_num_threads(threads)
    times = []
    for _ in range(question["count"]):
        begin = time.perf_counter()
        step()
        wait()
        times.append(1000 * (time.perf_counter() - begin))
    print(json.dumps(times), flush=True)

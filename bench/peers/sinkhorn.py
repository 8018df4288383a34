"""The peers of `npm run bench -- sinkhorn`: a minimal log-domain Sinkhorn in PyTorch, and POT as published.

Reads one JSON question per line, answers one JSON line. Points come as raw float32 files, plans go back as float64 files.
"""
import json
import sys
import time

import numpy as np
import ot
import torch


def torch_log(x, y, eps, iterations, tolerance=0.0):
    """Log-domain Sinkhorn, float32: returns plan, iterations, seconds for all iterations (without the cost matrix)."""
    n, m = len(x), len(y)
    began = time.perf_counter()
    # |x|^2 + |y|^2 - 2 x.y: torch's fastest way to a cost matrix on a CPU
    cost = ((x * x).sum(1)[:, None] + (y * y).sum(1)[None, :] - 2 * x @ y.T).clamp_(min=0)
    scaled = cost / eps
    setup = time.perf_counter() - began
    log_a = torch.full((n,), -float(np.log(n)))
    log_b = torch.full((m,), -float(np.log(m)))
    f = torch.zeros(n)
    g = torch.zeros(m)
    began = time.perf_counter()
    done = 0
    for done in range(1, iterations + 1):
        fresh = -torch.logsumexp(g[None, :] + log_b[None, :] - scaled, 1)
        error = (torch.exp(f - fresh) - 1).abs().mean().item() if tolerance else 1.0
        f = fresh
        g = -torch.logsumexp(f[:, None] + log_a[:, None] - scaled, 0)
        if done > 1 and error <= tolerance:
            break
    seconds = time.perf_counter() - began
    plan = torch.exp(f[:, None] + g[None, :] - scaled + log_a[:, None] + log_b[None, :])
    return plan.numpy(), done, seconds, setup


def pot(method, x, y, eps, iterations, tolerance=0.0):
    """POT in float64 on numpy, as its users call it."""
    a, b = ot.unif(len(x)), ot.unif(len(y))
    began = time.perf_counter()
    cost = ot.dist(x, y)
    setup = time.perf_counter() - began
    began = time.perf_counter()
    plan, log = ot.sinkhorn(
        a, b, cost, eps, method=method, numItermax=iterations, stopThr=tolerance, warn=False, log=True
    )
    return plan, log.get("niter", iterations - 1) + 1, time.perf_counter() - began, setup


def answer(question):
    torch.set_num_threads(question.get("threads", 1))
    d = question["d"]
    x = np.fromfile(question["x"], dtype=np.float32).reshape(-1, d)
    y = np.fromfile(question["y"], dtype=np.float32).reshape(-1, d)
    engine = question["engine"]
    batch = question.get("batch", 1)
    if batch > 1:
        xs, ys = np.split(x.astype(np.float64), batch), np.split(y.astype(np.float64), batch)
        began = time.perf_counter()
        for one, other in zip(xs, ys):
            cost = ot.dist(one, other)
            ot.sinkhorn(
                [], [], cost, question["eps"], method=engine, numItermax=question["iterations"], stopThr=0, warn=False
            )
        return {"seconds": time.perf_counter() - began}
    args = (question["eps"], question["iterations"], question.get("tolerance", 0.0))
    if engine == "torch":
        plan, done, seconds, setup = torch_log(torch.from_numpy(x), torch.from_numpy(y), *args)
    else:
        plan, done, seconds, setup = pot(engine, x.astype(np.float64), y.astype(np.float64), *args)
    if "plan" in question:
        np.asarray(plan, dtype=np.float64).tofile(question["plan"])
    return {"seconds": seconds, "setup": setup, "iterations": int(done), "finite": bool(np.isfinite(plan).all())}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)

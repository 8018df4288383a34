"""Our own minimal PyTorch versions of the benchmarked networks, with the shapes of the TypeScript ones."""
import math

import torch
from torch import nn
from torch.nn import functional as F


class AdaLNMLP(nn.Module):
    """Denoising MLP with adaptive layer norm."""

    def __init__(self, channels, condition, width, depth, frequencies=256):
        super().__init__()
        self.depth, self.half = depth, frequencies // 2
        self.time = nn.Sequential(nn.Linear(frequencies, width), nn.SiLU(), nn.Linear(width, width))
        self.cond = nn.Linear(condition, width)
        self.inputs = nn.Linear(channels, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-6) for _ in range(depth))
        self.first = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.second = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))
        self.modulations = nn.ModuleList(nn.Linear(width, 3 * width) for _ in range(depth))
        self.final_norm = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.final_modulation = nn.Linear(width, 2 * width)
        self.final = nn.Linear(width, 2 * channels)
        self.register_buffer("scales", torch.exp(-math.log(10000) * torch.arange(self.half) / self.half))

    def embed_times(self, t):
        angles = t.float()[:, None] * self.scales
        return self.time(torch.cat([angles.cos(), angles.sin()], 1))

    def body(self, x, modulation):
        active = F.silu(modulation)
        x = self.inputs(x)
        for norm, first, second, modulate in zip(self.norms, self.first, self.second, self.modulations):
            shift, scale, gate = modulate(active).chunk(3, 1)
            x = x + gate * second(F.silu(first(norm(x) * (1 + scale) + shift)))
        shift, scale = self.final_modulation(active).chunk(2, 1)
        return self.final(self.final_norm(x) * (1 + scale) + shift)

    def forward(self, x, t, c):
        return self.body(x, self.embed_times(t) + self.cond(c))


class Block(nn.Module):
    """Pre-norm transformer block."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        b, n, w = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, n, 3, self.heads, w // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, n, w))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, width, depth, heads):
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(depth)))

    def forward(self, x):
        return self.blocks(x)


def tables(steps=1000):
    """Columns of the cosine process that a training loss reads."""
    cosine = lambda t: math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2
    betas = torch.tensor([min(1 - cosine((i + 1) / steps) / cosine(i / steps), 0.999) for i in range(steps)], dtype=torch.float64)
    bars = torch.cumprod(1 - betas, 0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), bars[:-1]])
    variance = betas * (1 - before) / (1 - bars)
    clipped = torch.log(torch.cat([variance[1:2], variance[1:]]))
    columns = [betas.log(), clipped, betas * before.sqrt() / (1 - bars), (1 - before) * (1 - betas).sqrt() / (1 - bars)]
    columns += [bars.sqrt(), (1 - bars).sqrt(), (1 / bars).sqrt(), (1 / bars - 1).sqrt()]
    return torch.stack(columns, 1).float()


def cdf(x):
    return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def diffusion_loss(network, table, x, c, t, noise):
    """Hybrid loss of Nichol and Dhariwal (2021), as the TypeScript version computes it."""
    log_beta, clipped, of_start, of_noised, root, other, inverse, minus = table[t].unbind(1)
    column = lambda v: v[:, None]
    noised = column(root) * x + column(other) * noise
    epsilon, values = network(noised, t, c).chunk(2, 1)
    mse = (epsilon - noise).square().mean(1)
    fraction = (values + 1) / 2
    log_variance = fraction * column(log_beta) + (1 - fraction) * column(clipped)
    start = column(inverse) * noised - column(minus) * epsilon.detach()
    mean = column(of_start) * start + column(of_noised) * noised
    truth = column(of_start) * x + column(of_noised) * noised
    kl = 0.5 * (log_variance - column(clipped) - 1 + torch.exp(column(clipped) - log_variance) + (truth - mean).square() * torch.exp(-log_variance))
    centred, scale = x - mean, torch.exp(-0.5 * log_variance)
    upper, lower = cdf(scale * (centred + 1 / 255)), cdf(scale * (centred - 1 / 255))
    floor = lambda p: p.clamp(1e-12, 1).log()
    likelihood = torch.where(x < -0.999, floor(upper), torch.where(x > 0.999, floor(1 - lower), floor(upper - lower)))
    vb = torch.where(t == 0, -likelihood.mean(1), kl.mean(1)) / math.log(2)
    return (mse + vb).mean()


class MAR(nn.Module):
    """Masked autoregressive model over gathered tokens, with the diffusion loss."""

    def __init__(self, c):
        super().__init__()
        self.c, width = c, c["decoderWidth"]
        self.tokens = (c["imageSize"] // c["vaeStride"]) ** 2
        places = self.tokens + c["bufferSize"]
        embedding = lambda *shape: nn.Parameter(torch.randn(*shape) * 0.02)
        self.z_proj, self.z_norm = nn.Linear(c["latentChannels"], c["encoderWidth"]), nn.LayerNorm(c["encoderWidth"], eps=1e-6)
        self.classes, self.fake = nn.Embedding(c["classes"], c["encoderWidth"]), embedding(1, c["encoderWidth"])
        self.encoder = nn.Sequential(*(Block(c["encoderWidth"], c["encoderHeads"]) for _ in range(c["encoderDepth"])))
        self.encoder_norm = nn.LayerNorm(c["encoderWidth"], eps=1e-6)
        self.embed = nn.Linear(c["encoderWidth"], width)
        self.decoder = nn.Sequential(*(Block(width, c["decoderHeads"]) for _ in range(c["decoderDepth"])))
        self.decoder_norm = nn.LayerNorm(width, eps=1e-6)
        self.mask_token, self.encoder_places = embedding(1, width), embedding(1, places, c["encoderWidth"])
        self.decoder_places, self.head_places = embedding(1, places, width), embedding(1, self.tokens, width)
        self.head = AdaLNMLP(c["latentChannels"], width, c["headWidth"], c["headDepth"], c["timestepFrequencies"])
        self.register_buffer("table", tables())

    def conditions(self, tokens, label, kept, source, wanted):
        b, buffer = tokens.shape[0], self.c["bufferSize"]
        x = torch.cat([label[:, None].expand(-1, buffer, -1), self.z_proj(tokens)], 1)
        x = self.z_norm(x + self.encoder_places)
        x = self.encoder_norm(self.encoder(x.flatten(0, 1)[kept].view(b, -1, x.shape[-1])))
        x = torch.cat([self.embed(x).flatten(0, 1), self.mask_token])[source].view(b, -1, self.c["decoderWidth"])
        x = self.decoder_norm(self.decoder(x + self.decoder_places))[:, buffer:] + self.head_places
        return x.flatten(0, 1)[wanted]

    def forward(self, tokens, labels, drop, kept, source, wanted, t, noise):
        label = self.classes(labels) * drop + self.fake * (1 - drop)
        c = self.conditions(tokens, label, kept, source, wanted)
        repeats = self.c["noisesPerToken"]
        targets = tokens.flatten(0, 1)[wanted]
        return diffusion_loss(self.head, self.table, targets.repeat(repeats, 1), c.repeat(repeats, 1), t, noise)


class Residual(nn.Module):
    def __init__(self, start, end, groups):
        super().__init__()
        self.norm1, self.conv1 = nn.GroupNorm(groups, start, eps=1e-6), nn.Conv2d(start, end, 3, padding=1)
        self.norm2, self.conv2 = nn.GroupNorm(groups, end, eps=1e-6), nn.Conv2d(end, end, 3, padding=1)
        self.shortcut = nn.Identity() if start == end else nn.Conv2d(start, end, 1)

    def forward(self, x):
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))


class Attention(nn.Module):
    def __init__(self, width, groups):
        super().__init__()
        self.norm, self.proj = nn.GroupNorm(groups, width, eps=1e-6), nn.Conv2d(width, width, 1)
        self.q, self.k, self.v = (nn.Conv2d(width, width, 1) for _ in range(3))

    def forward(self, x):
        y = self.norm(x)
        q, k, v = (layer(y).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        mixed = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(x.shape)
        return x + self.proj(mixed)


class Down(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, stride=2)

    def forward(self, x):
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class VAE(nn.Module):
    """KL-regularised autoencoder without attention in its levels."""

    def __init__(self, c):
        super().__init__()
        groups, widths = c.get("groups", 32), [c["width"] * m for m in c["multipliers"]]
        layers, width = [nn.Conv2d(c["imageChannels"], c["width"], 3, padding=1)], c["width"]
        for level, end in enumerate(widths):
            for _ in range(c["blocks"]):
                layers.append(Residual(width, end, groups))
                width = end
            if level < len(widths) - 1:
                layers.append(Down(width))
        middle = lambda: [Residual(width, width, groups), Attention(width, groups), Residual(width, width, groups)]
        layers += middle() + [nn.GroupNorm(groups, width, eps=1e-6), nn.SiLU(), nn.Conv2d(width, 2 * c["bottleneck"], 3, padding=1)]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(2 * c["bottleneck"], 2 * c["latentChannels"], 1))
        layers = [nn.Conv2d(c["latentChannels"], c["bottleneck"], 1), nn.Conv2d(c["bottleneck"], width, 3, padding=1)] + middle()
        for level in reversed(range(len(widths))):
            for _ in range(c["blocks"] + 1):
                layers.append(Residual(width, widths[level], groups))
                width = widths[level]
            if level:
                layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1)]
        layers += [nn.GroupNorm(groups, width, eps=1e-6), nn.SiLU(), nn.Conv2d(width, c["imageChannels"], 3, padding=1)]
        self.decoder = nn.Sequential(*layers)

    def forward(self, images, noise):
        mean, log_variance = self.encoder(images).chunk(2, 1)
        log_variance = log_variance.clamp(-30, 20)
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        rebuilt = self.decoder(mean + torch.exp(0.5 * log_variance) * noise)
        return (rebuilt - images).square().mean() + 1e-6 * kl.sum() / images.numel()

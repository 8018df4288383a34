"""Where PyTorch computes."""
import torch


def use(device):
    """Makes everything on `device` from now on; returns what waits until it is done."""
    torch.set_default_device(device)
    return torch.cuda.synchronize if device == "cuda" else lambda: None

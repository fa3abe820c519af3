"""The encoder beside MONAI's SwinTransformer: same weights, same image, same process, in turns.

python -m benchmarks.encoder [--rounds N] [--json]

The peer runs in eager PyTorch, as it comes and with its own flash attention. In each round every side runs once and the
machine's own matrix multiplication is measured beside them, so that a busy machine slows all alike; what counts is the
best round of each. Their maps are compared in the same run. Then `echocare_base` and `echocare_tiny` with segmentation
heads, one task and five.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from monai.networks.nets.swin_unetr import SwinTransformer
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from models.encoder import BASE, TINY, EncoderConfig
from models.encoder.factory import create_encoder
from models.encoder.inference import prepared
from models.heads import SegmentationHead

EDGE = 256
MATRIX = 2048  # edge of the matrices whose multiplication is the machine's rate
TASKS = 5
FASTER, FRAMES_PER_S, DEARER = 1.10, 15.0, 1.25  # the bars: base against the peer, tiny with a head, five tasks
AIM_FASTER, AIM_FRAMES_PER_S, AIM_DEARER = 1.2, 30.0, 1.15


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One comparison with the peer."""

    device: str
    dtype: str
    batch: int
    peer_ms: float  # a frame, best round
    flash_ms: float  # the peer with flash attention
    ours_ms: float
    ratio: float  # of the best rounds: how many times faster we are than the peer as it comes
    share: float  # of our time that the peer's operations would take at the machine's rate; ours does some in fewer
    gflops: float  # that rate, GFLOP/s
    difference: float  # the largest between any two numbers of the maps


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Tasks on one pass of an encoder."""

    encoder: str
    frames_per_s: float  # one task
    five_tasks: float  # time of five tasks over time of one
    encoder_ms: float
    head_ms: float


def peer(config: EncoderConfig, *, flash: bool = False) -> nn.Module:
    """MONAI's network of these shapes."""
    return SwinTransformer(
        in_chans=config.in_channels,
        embed_dim=config.embed_dim,
        window_size=(config.window, config.window),
        patch_size=(config.patch, config.patch),
        depths=config.depths,
        num_heads=config.heads,
        mlp_ratio=config.mlp_ratio,
        qkv_bias=True,
        spatial_dims=2,
        use_v2=True,
        use_flash_attention=flash,
    ).eval()


def seconds(run: Callable[[], object], device: torch.device) -> float:
    """How long one run takes."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = time.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start


def best(sides: dict[str, Callable[[], object]], rounds: int, device: torch.device) -> dict[str, float]:
    """Least seconds of each side; they run in turns, and once before that counts."""
    for run in sides.values():
        run()
    taken: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, run in sides.items():
            taken[name].append(seconds(run, device))
    return {name: min(values) for name, values in taken.items()}


def work(network: nn.Module, image: Tensor) -> int:
    """Floating point operations of the matrix products and convolutions of one pass."""
    with FlopCounterMode(display=False) as counter:
        network(image)
    return counter.get_total_flops()


def compare(theirs: Sequence[nn.Module], ours: nn.Module, batch: int, rounds: int, flops: int) -> Row:
    """Networks, as they are on their device, on the same random frames; the peer as it comes first."""
    example = next(theirs[0].parameters())
    device, dtype = example.device, example.dtype
    frames = torch.randn(batch, 3, EDGE, EDGE, device=device, dtype=dtype)
    a, b = (torch.randn(MATRIX, MATRIX, device=device, dtype=dtype) for _ in range(2))
    difference = max(float((x - y).abs().max()) for x, y in zip(ours(frames), theirs[0](frames), strict=True))
    sides = {
        "peer": lambda: theirs[0](frames),
        "ours": lambda: ours(frames),
        "flash": lambda: theirs[1](frames),
        "product": lambda: torch.mm(a, b),
    }
    least = best(sides, rounds, device)
    rate = 2 * MATRIX**3 / least["product"]
    return Row(
        device=device.type,
        dtype=str(dtype).removeprefix("torch."),
        batch=batch,
        peer_ms=1e3 * least["peer"] / batch,
        flash_ms=1e3 * least["flash"] / batch,
        ours_ms=1e3 * least["ours"] / batch,
        ratio=least["peer"] / least["ours"],
        share=flops * batch / rate / least["ours"],
        gflops=rate / 1e9,
        difference=difference,
    )


def base_rows(rounds: int, say: Callable[[str], None]) -> list[Row]:
    """The base encoder, in the types and on the devices that this machine has."""
    encoder = create_encoder(BASE.name).eval()
    theirs = [peer(BASE), peer(BASE, flash=True)]
    give(theirs, encoder, encoder)
    flops = work(theirs[0], torch.randn(1, 3, EDGE, EDGE))
    say(f"{BASE.name}: {flops / 1e9:.0f} GFLOP a frame of {EDGE} x {EDGE} in matrix products and convolutions")
    ours = prepared(encoder)
    rows = [compare(theirs, ours, 1, rounds, flops), compare(theirs, ours, 4, max(2, rounds // 3), flops)]
    if cpu_has_bfloat16():
        coarse = deepcopy(encoder).bfloat16()
        give(theirs, encoder, coarse)
        rows += [compare(theirs, prepared(coarse), batch, max(2, rounds // batch), flops) for batch in (1, 4)]
    else:
        say("bfloat16 on the CPU: not measured, this processor does not compute with it")
    if torch.cuda.is_available():
        for dtype in (torch.float32, torch.bfloat16):
            there = deepcopy(encoder).to("cuda", dtype)
            give(theirs, encoder, there)
            rows.append(compare(theirs, prepared(there), 32, 2 * rounds, flops))
    else:
        say("CUDA: not measured, there is no such device")
    return rows


def give(theirs: Sequence[nn.Module], encoder: nn.Module, like: nn.Module) -> None:
    """Give the peers an encoder's weights, on the device and in the type of another."""
    example = next(like.parameters())
    for network in theirs:
        network.to(example).load_state_dict(encoder.state_dict())


def shared_tasks(name: str, rounds: int) -> Shared:
    """An encoder with one head and with five, on the CPU, a frame at a time."""
    encoder = create_encoder(name).eval()
    form = prepared(encoder)
    heads = [SegmentationHead(encoder.config.channels).eval() for _ in range(TASKS)]
    frame = torch.randn(1, 3, EDGE, EDGE)
    maps = form(frame)

    def tasks(count: int) -> list[Tensor]:
        shared = form(frame)
        return [head(frame, shared) for head in heads[:count]]

    sides = {
        "one": lambda: tasks(1),
        "five": lambda: tasks(TASKS),
        "encoder": lambda: form(frame),
        "head": lambda: heads[0](frame, maps),
    }
    least = best(sides, rounds, frame.device)
    return Shared(
        encoder=name,
        frames_per_s=1 / least["one"],
        five_tasks=least["five"] / least["one"],
        encoder_ms=1e3 * least["encoder"],
        head_ms=1e3 * least["head"],
    )


def cpu_has_bfloat16() -> bool:
    """Whether the processor multiplies in bfloat16 itself."""
    return any(word in cpu("flags") for word in ("avx512_bf16", "amx_bf16"))


def cpu(field: str) -> str:
    """What the first processor says of itself."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "unknown")


def report(rows: Sequence[Row], shared: Sequence[Shared], console: Console) -> bool:
    """Print the tables; whether every bar was reached."""
    table = Table(title=f"{BASE.name} beside MONAI's SwinTransformer (bar {FASTER} x, aim {AIM_FASTER} x)")
    for head in (
        "device",
        "type",
        "batch",
        "MONAI ms/frame",
        "with flash",
        "ours",
        "faster",
        "of the limit",
        "largest difference",
    ):
        table.add_column(head, justify="right")
    for row in rows:
        table.add_row(
            row.device, row.dtype, str(row.batch), f"{row.peer_ms:.0f}", f"{row.flash_ms:.0f}", f"{row.ours_ms:.0f}",
            f"{row.ratio:.2f} x", f"{row.share:.0%} of {row.gflops:.0f} GFLOP/s", f"{row.difference:.1e}",
        )  # fmt: skip
    console.print(table)
    for each in shared:
        console.print(
            f"{each.encoder} with a segmentation head: {each.frames_per_s:.1f} frames/s "
            f"(of echocare_tiny bar {FRAMES_PER_S:.0f}, aim {AIM_FRAMES_PER_S:.0f}); "
            f"encoder {each.encoder_ms:.1f} ms, head {each.head_ms:.1f} ms; "
            f"{TASKS} segmentation tasks on one pass against one: {each.five_tasks:.2f} x "
            f"(bar {DEARER} x, aim {AIM_DEARER} x)"
        )
    quick = all(row.ratio >= FASTER for row in rows) and shared[-1].frames_per_s >= FRAMES_PER_S
    return quick and all(each.five_tasks <= DEARER for each in shared)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the tables and, on request, the same as JSON; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8, help="of one frame; larger batches take fewer")
    parser.add_argument("--json", action="store_true", help="the figures on standard output")
    options = parser.parse_args(arguments)
    console = Console(stderr=True, width=140)
    torch.manual_seed(1)
    console.print(f"{cpu('model name')}, {torch.get_num_threads()} threads, load {os.getloadavg()[0]:.1f} at the start")
    with torch.inference_mode():
        rows = base_rows(options.rounds, console.print)
        shared = [shared_tasks(BASE.name, max(3, options.rounds // 2)), shared_tasks(TINY.name, 5 * options.rounds)]
    reached = report(rows, shared, console)
    if options.json:
        print(
            json.dumps({"base": [asdict(row) for row in rows], "shared": [asdict(each) for each in shared]}, indent=2)
        )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())

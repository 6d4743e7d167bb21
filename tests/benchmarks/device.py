"""What a run on a GPU brings to the CPU, and if its text is the CPU's: `python -m tests.benchmarks.device [DEVICE]`.

Fails if anything as wide as the vocabulary is brought.  Texts may part where two tokens are as likely but for rounding.
"""

import sys
from math import prod

import torch

from dlm_core.models import load_model
from dlm_core.policies import make_policy
from dlm_core.sampler import sample
from tests.benchmarks.measure import FOR_MASKS, settings
from tests.moves import MOST, Moves

LENGTH, STEPS, TEMPERATURE = 32, 16, 0.7


def main(device: str) -> int:
    here, there = (load_model("bundled", device=place, dtype="float32") for place in ("cpu", device))
    canvas, wide, together = here.canvas(here.encode_prompt("Once upon a time"), LENGTH), [], 0
    names = [*FOR_MASKS, "speculative"]
    for name in names:
        known = settings(name, STEPS, TEMPERATURE)
        policy = make_policy(name, **known)
        ours = list(sample(here.denoiser, canvas, policy))
        with Moves() as moves:
            theirs = list(sample(there.denoiser, canvas, policy))
        same = sum((a.after == b.after).all() for a, b in zip(ours, theirs))
        together += same == len(ours) == len(theirs)
        wide += [name] * (max(prod(shape[1:]) for shape in moves.shapes or [()]) > MOST)
        print(f"{name}: {moves.bytes / len(theirs):.0f} bytes a step, {same} of {len(ours)} steps are the CPU's")
    print(f"the same text for {together} of {len(names)} policies on {torch.device(device)}")
    if wide:
        print(f"logits came to the CPU in {', '.join(wide)}", file=sys.stderr)
    return bool(wide)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:] or ["cuda"]))

"""`app.py` as on ZeroGPU, without a GPU: the real fork, pickle, generator and cancel path of `spaces` on the CPU.

Everything that would touch CUDA is answered here; the tests stand where the scheduler of the GPUs would be.
"""

import sys
import types

import torch

answers = types.ModuleType("no_cuda")
exec("def no(*args, **kwargs):\n    return False", answers.__dict__)  # so that its module is one that can be imported
sys.modules["no_cuda"] = answers
torch.version.cuda = "13.0"
for owner, name in (
    (torch._C, "_cuda_init"),
    (torch._C, "_cuda_isInBadFork"),
    (torch.cuda, "_exchange_device"),
    (torch.cuda, "_maybe_exchange_device"),
    (torch.cuda, "_is_in_bad_fork"),
):
    setattr(owner, name, answers.no)

import spaces.zero.torch  # noqa: E402

spaces.zero.torch.init = spaces.zero.torch.move = answers.no
torch.cuda.is_available = answers.no  # the model stays where it can run

import app  # noqa: E402

app.main()

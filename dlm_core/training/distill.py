"""Stories that the model writes left to right, for its other order to learn from (sequence-level distillation).

Several tokens opened in one forward pass are drawn as if they did not depend on each other, so a diffusion model does
best on text whose next words are not in much doubt.  Text drawn from an autoregressive teacher below temperature 1 is
such text (Kim and Rush, arXiv 1606.07947; Gu et al., arXiv 1711.02281); here the teacher is the same set of weights.

    python -m dlm_core.training.distill --corpus FOLDER --minutes 20 --out distilled.jsonl.gz
    python -m dlm_core.training --corpus FOLDER --distilled distilled.jsonl.gz

Only stories that end are kept, and only if they do not repeat themselves.  Autoregressive rows never see them.
"""

import argparse
import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from dlm_core.training.data import load_split

ROWS = 128
OPENINGS = (3, 13)  # tokens taken from a document of the corpus, so that stories begin in many ways
MAX_REPEATED = 0.1  # share of a story's runs of four tokens that came before in it


def repeated(ids: list[int], size: int = 4) -> float:
    """Share of the runs of `size` tokens that have stood before in the same text, 0 to 1."""
    runs = list(zip(*(ids[start:] for start in range(size))))
    return 1 - len(set(runs)) / len(runs) if runs else 0.0


@torch.inference_mode()
def stories(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, documents: list[Tensor], *, length: int,
    temperature: float, seed: int,
) -> Iterator[list[str]]:  # fmt: skip
    """Yield, for ever, the stories of one batch that ended within `length` tokens and do not repeat themselves."""
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    never = sorted(set(tokenizer.all_special_ids) - {eos})
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # the stream that generate() draws from
    while True:
        opening = int(torch.randint(*OPENINGS, (), generator=generator))
        picked = torch.randint(len(documents), (ROWS,), generator=generator).tolist()
        begun = [torch.cat((torch.tensor([bos]), documents[i][:opening])) for i in picked]
        prompts = torch.stack([prompt for prompt in begun if len(prompt) == opening + 1])
        written = model.generate(
            input_ids=prompts, attention_mask=torch.ones_like(prompts), do_sample=True, temperature=temperature,
            top_k=0, max_length=length, eos_token_id=eos, pad_token_id=eos, suppress_tokens=never,
        )  # fmt: skip
        texts = []
        for row in written[:, 1:].tolist():
            if row[-1] == eos and repeated(row[: row.index(eos)]) <= MAX_REPEATED:
                texts.append(tokenizer.decode(row[: row.index(eos)]))
        yield texts


def main() -> None:
    """Write stories from the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dlm_core.training.distill", description="Let the model write stories."
    )
    parser.add_argument("--corpus", type=Path, required=True, help="where the openings of stories come from")
    parser.add_argument("--model", default="assets/model", help="folder of the model that writes")
    parser.add_argument("--length", type=int, default=256, help="positions of a canvas: a story must end within it")
    parser.add_argument("--temperature", type=float, default=0.6)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="a .jsonl.gz file; stories are added to its end")
    args = parser.parse_args()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.bfloat16, attn_implementation="eager").eval()
    documents, _ = load_split(args.corpus, lambda texts: tokenizer(texts, add_special_tokens=False).input_ids)
    kept, until = 0, time.monotonic() + 60 * args.minutes
    written = stories(
        model, tokenizer, documents, length=args.length, temperature=args.temperature, seed=args.seed
    )  # fmt: skip
    for texts in (progress := tqdm(written, unit="batch")):
        with gzip.open(args.out, "at", encoding="utf-8") as lines:
            lines.writelines(json.dumps({"text": text}) + "\n" for text in texts)
        progress.set_postfix(stories=(kept := kept + len(texts)))
        if time.monotonic() > until:
            return


if __name__ == "__main__":
    main()

import itertools
import math

import pytest
import torch

from dlm_core.evaluation import autoregressive_nats, diffusion_nats, faults, per_character, tell


class Known:
    """A model whose every answer is one fixed distribution, so that the true likelihood is known."""

    def __init__(self, probabilities):
        self.logits, self.mask_token_id = torch.tensor(probabilities).log(), 0

    def denoiser(self, ids, positions):
        return self.logits.expand(len(ids), len(positions), -1)

    def ar_logits(self, ids):
        return self.logits.expand(*ids.shape, -1)


def test_both_likelihoods_are_exact_where_positions_are_independent():
    probabilities = [1e-9, 0.5, 0.3, 0.2]
    canvases = torch.tensor([[1, 2, 3, 1, 1], [1, 1, 1, 2, 2]])
    wanted = [-sum(math.log(probabilities[t]) for t in row[1:]) for row in canvases.tolist()]
    model = Known(probabilities)
    assert autoregressive_nats(model, canvases).tolist() == pytest.approx(wanted, rel=1e-5)
    assert diffusion_nats(model, canvases, counts=4000).tolist() == pytest.approx(wanted, rel=0.02)


def test_the_bound_of_every_mask_pattern_averages_to_the_estimate(bundled):
    ids = torch.tensor([bundled.encode_prompt("The cat sat")])
    n, exact = ids.shape[1] - 1, 0.0
    with torch.inference_mode():
        for k in range(1, n + 1):
            patterns = list(itertools.combinations(range(1, n + 1), k))
            for where in patterns:
                noisy = ids.clone()
                noisy[0, list(where)] = bundled.mask_token_id
                logits = bundled.denoiser(noisy, torch.tensor(where))[0]
                loss = torch.nn.functional.cross_entropy(logits, ids[0, list(where)], reduction="sum")
                exact += float(loss) * n / k / n / len(patterns)
    estimate = diffusion_nats(bundled, ids.expand(32, -1), counts=40).mean()
    assert float(estimate) == pytest.approx(exact, rel=0.05)


def test_per_character_is_a_ratio_of_sums():
    likelihood = per_character(torch.tensor([10.0, 30.0]), torch.tensor([10.0, 10.0]))
    assert likelihood.mean == pytest.approx(2.0)
    assert likelihood.interval > 0


def test_faults_count_what_they_say():
    found = faults(["a b a b a b", "the the end"], [True, False])
    assert found.adjacent_duplicates == pytest.approx(1 / 7)
    assert found.repeated_4 == pytest.approx(1 / 3)
    assert found.without_end == 0.5


def test_a_story_stops_at_the_end_of_text(bundled):
    ids = bundled.encode_prompt("The cat sat. The end.")
    eos = bundled.tokenizer.eos_token_id
    story = tell(bundled, [*ids, eos, ids[2]], 3, 0.1, 4)
    assert story.text == "The cat sat. The end."
    assert story.ended

"""Stands for MDLM's: no `post_init`, no ties, a time that is put aside."""

from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import MaskedLMOutput

from .dit import DITBackbone


class MDLMConfig(PretrainedConfig):
    model_type = "mdlm"

    def __init__(self, vocab_size=50258, model_length=1024, hidden_dim=768, cond_dim=129, n_blocks=12, n_heads=12,
                 dropout=0.1, time_conditioning=False, **fields):  # fmt: skip
        super().__init__(**fields)
        self.vocab_size, self.model_length, self.hidden_dim, self.cond_dim = (
            vocab_size, model_length, hidden_dim, cond_dim
        )  # fmt: skip
        self.n_blocks, self.n_heads, self.dropout, self.time_conditioning = (
            n_blocks, n_heads, dropout, time_conditioning
        )  # fmt: skip


class MDLM(PreTrainedModel):
    config_class, base_model_prefix = MDLMConfig, "mdlm"

    def __init__(self, config):
        super().__init__(config)
        self.backbone = DITBackbone(config)

    def forward(self, input_ids=None, timesteps=None, output_hidden_states=None, return_dict=None):
        logits = self.backbone(input_ids, timesteps)
        return MaskedLMOutput(logits=logits) if return_dict else logits

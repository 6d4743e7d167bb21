"""Between text and token ids: prompts and conversations in, the text of single tokens out.

What a visitor types never becomes a control token: special tokens come from templates and tokenizers alone.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jinja2 import TemplateError
from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerBase

from dlm_core.conversation import USER, Message
from dlm_core.trace import Piece

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # how tokenizers of the SentencePiece kind write a lone byte


@dataclass(frozen=True, eq=False)
class Text:
    """A tokenizer as the rest of the project uses one.

    Where there is a chat `template`, a prompt is what the user says now, behind what was said before; plain text
    stands behind the token ids of `opening`.
    """

    tokenizer: PreTrainedTokenizerBase
    opening: tuple[int, ...] = ()
    template: str | None = None
    template_options: Mapping[str, Any] = field(default_factory=dict)

    def encode(self, prompt: str, said: Sequence[Message] = ()) -> list[int]:
        """Token ids of a prompt, and of what was `said` before it; "[MASK]" in it is six characters, not a mask."""
        if self.template is not None:
            return self._chat([*said, {"role": USER, "content": prompt}])
        if said:
            raise ValueError("this model continues text and does not chat: give it a text, not a conversation")
        return [*self.opening, *self.plain(prompt)]

    def behind(self, text: str) -> list[int]:
        """Token ids of plain text that follows other text: a word is set off by a space, punctuation is not."""
        joined = [*self._anchor, *self.plain(text)] if text[:1].isalnum() else self.plain(f"a{text}")
        return joined[len(self._anchor) :]

    def plain(self, text: str) -> list[int]:
        """Token ids of a text as it stands, in which nothing is a control token."""
        return self.tokenizer(text, add_special_tokens=False, split_special_tokens=True).input_ids

    def _chat(self, messages: Sequence[Message]) -> list[int]:
        """The template is filled with placeholders, its control tokens looked up, and all else read as plain text."""
        contents = [message["content"] for message in messages]
        held = [{**message, "content": f"\ue000{i}\ue001"} for i, message in enumerate(messages)]
        try:
            filled = self.tokenizer.apply_chat_template(
                held, tokenize=False, add_generation_prompt=True, chat_template=self.template, **self.template_options
            )
        except TemplateError as error:  # some templates know no system text
            reason = str(error)[:200] or type(error).__name__
            raise ValueError(f"this model's chat template does not take this conversation ({reason})") from error
        ids: list[int] = []
        for n, part in enumerate(self._control.split(filled)):
            if n % 2:
                ids.append(self.tokenizer.convert_tokens_to_ids(part))
            elif part:
                ids += self.plain(re.sub("\ue000(\\d+)\ue001", lambda hit: contents[int(hit[1])], part))
        return ids

    @cached_property
    def _control(self) -> re.Pattern[str]:
        added = sorted(self.tokenizer.get_added_vocab(), key=len, reverse=True)
        return re.compile("(" + "|".join(map(re.escape, added)) + ")") if added else re.compile("((?!))")

    @cached_property
    def _pieces(self) -> dict[int, Piece]:
        return {}

    @cached_property
    def _special(self) -> frozenset[int]:
        return frozenset(self.tokenizer.all_special_ids)

    @cached_property
    def _anchor(self) -> list[int]:
        """A word to stand before a token: only behind one does a tokenizer say whether a token begins a new word."""
        return self.plain("a")

    @cached_property
    def _byte_of(self) -> dict[str, int]:
        """The 256 stand-in characters of byte-level tokenizers, in the order of the bytes they stand for."""
        printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
        hidden = [byte for byte in range(256) if byte not in printable]
        letters = {chr(byte): byte for byte in printable} | {chr(256 + i): byte for i, byte in enumerate(hidden)}
        assert set(letters) == set(ByteLevel.alphabet())
        return letters

    def piece(self, token_id: int) -> Piece:
        """The text of one token; its bytes if it is only part of a character; nothing for control tokens."""
        if token_id not in self._pieces:  # asked for again by every run
            self._pieces[token_id] = self._piece(token_id)
        return self._pieces[token_id]

    def _piece(self, token_id: int) -> Piece:
        letters = self.tokenizer.convert_ids_to_tokens(token_id)
        if letters is None or token_id in self._special:
            return ""
        if byte := _BYTE.fullmatch(letters):
            return bytes.fromhex(byte[1])
        before = self.tokenizer.decode(self._anchor)
        text = self.tokenizer.decode([*self._anchor, token_id])[len(before) :]
        if "�" not in text:
            return text
        return bytes(self._byte_of[letter] for letter in letters) if set(letters) <= set(self._byte_of) else text

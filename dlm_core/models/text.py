"""Between text and token ids: prompts and conversations in, the text of single tokens out.

What a visitor types never becomes a control token: special tokens come from templates and tokenizers alone.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tokenizers.pre_tokenizers import ByteLevel
from transformers import PreTrainedTokenizerBase

from dlm_core.conversation import ASSISTANT, SYSTEM, USER, Message
from dlm_core.trace import Piece
from dlm_core.unicode import well_formed

_BYTE = re.compile(r"<0x([0-9A-F]{2})>")  # how tokenizers of the SentencePiece kind write a lone byte

# how the names of letters begin whose scripts put no space between words
_UNSPACED = (
    "CJK", "IDEOGRAPHIC", "HIRAGANA", "KATAKANA", "BOPOMOFO", "FULLWIDTH", "HALFWIDTH", "YI ", "THAI", "LAO", "KHMER",
    "MYANMAR", "TIBETAN", "JAVANESE", "BALINESE",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Text:
    """A tokenizer as the rest of the project uses one.

    Where there is a chat `template`, a prompt is the user's next message in a conversation; plain text comes after the
    token ids of `opening`.  `control` are tokens that mean something to the model, whether its tokenizer
    calls them special or not: its mask, the ends of a text, a token that asks for room.
    """

    tokenizer: PreTrainedTokenizerBase
    opening: tuple[int, ...] = ()
    template: str | None = None
    template_options: Mapping[str, Any] = field(default_factory=dict)
    control: tuple[int, ...] = ()

    def encode(self, prompt: str, conversation: Sequence[Message] = ()) -> list[int]:
        """Return the token ids of a prompt and of the `conversation` before it; "[MASK]" in it is six characters."""
        if self.template is not None:
            return self._chat(well_formed([*conversation, {"role": USER, "content": prompt}]))
        if conversation:
            raise ValueError("this model continues text and does not chat: give it a text, not a conversation")
        return [*self.opening, *self.plain(prompt)]

    def encode_word(self, word: str) -> list[int]:
        """Token ids of a word that follows another: a space sets it off, except where its script is written without."""
        apart = word[:1].isalnum() and not unicodedata.name(word[0], "").startswith(_UNSPACED)
        return self._after_anchor(f" {word}" if apart else word)

    behind = encode_word  # its older name, for programs that were written for it

    def going_on(self, text: str) -> list[int]:
        """Token ids of text that follows other text, as it stands; some tokenizers put a space before every word."""
        return self.plain(text) if text[:1].isalnum() else self._after_anchor(text)

    def plain(self, text: str) -> list[int]:
        """Token ids of a text as it stands, in which nothing is a control token."""
        ids = self._control_safe_tokenizer(
            well_formed(text), add_special_tokens=False, split_special_tokens=True
        ).input_ids
        if self._control.isdisjoint(ids):
            return ids
        spelled: list[int] = []  # a vocabulary may hold a control token like any word: then its letters stand for it
        for token in ids:
            letters = self.tokenizer.convert_ids_to_tokens(token)
            spelled += self.tokenizer.convert_tokens_to_ids([*letters]) if token in self._control else [token]
        return spelled

    def _after_anchor(self, text: str) -> list[int]:
        ids, anchor = self.plain(f"a{text}"), self._anchor
        return ids[len(anchor) :] if ids[: len(anchor)] == anchor else self.plain(text)

    # -- conversations --

    def _chat(self, messages: Sequence[Message]) -> list[int]:
        """The filled template as transformers encodes it, where no control token in it comes from a message."""
        filled = self._filled(messages)
        original: dict[int, int] = {}
        marks = Counter(self._control_pattern.findall(filled))
        if typed := marks - self._template_tokens(messages):
            filled, original = self._escape_control_tokens(messages, filled, typed)
        else:
            ids = self.tokenizer(filled, add_special_tokens=False).input_ids
            if sum(token in self._control for token in ids) == marks.total():
                return ids
        ids = []
        for n, part in enumerate(self._control_pattern.split(filled)):
            if n % 2:
                ids.append(self.tokenizer.convert_tokens_to_ids(part))
            elif part:
                ids += self.plain(part.translate(original))
        return ids

    def _filled(self, messages: Sequence[Message]) -> str:
        try:
            return self.tokenizer.apply_chat_template(
                [*messages], tokenize=False, add_generation_prompt=True, chat_template=self.template,
                **self.template_options,
            )  # fmt: skip
        except Exception as error:  # a template is a program of its own: some know no system text, some are broken
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise ValueError(f"this model's chat template does not take this conversation ({reason})") from error

    def _template_tokens(self, messages: Sequence[Message]) -> Counter[str]:
        """The control tokens that the template writes around whatever the messages say; none where it will not say."""
        try:
            return Counter(
                self._control_pattern.findall(self._filled([{**each, "content": "\ue000"} for each in messages]))
            )
        except ValueError:
            return Counter()

    def _escape_control_tokens(
        self, messages: Sequence[Message], filled: str, typed: Mapping[str, int]
    ) -> tuple[str, dict[int, int]]:
        """The filled template in which control tokens from messages are written in other letters; the letters' own.

        Of each token one letter is replaced in every message by a private one.  A template that trims, splits or
        searches its messages does so as before, unless it looks at that very letter: then another one is tried.
        """
        used = {*map(ord, self.template or ""), *map(ord, "".join(each["content"] for each in messages))}
        private = [code for code in range(0xF0000, 0xF0000 + len(used) + 99) if code not in used]
        spellings = [sorted(dict.fromkeys(token), key=str.isalnum) for token in typed]
        for n in range(max(map(len, spellings))):
            letters = dict.fromkeys(ord(letters[n % len(letters)]) for letters in spellings)
            placeholders = dict(zip(letters, private))
            original = {placeholder: letter for letter, placeholder in placeholders.items()}
            marked = self._filled([{**each, "content": each["content"].translate(placeholders)} for each in messages])
            if marked.translate(original) == filled:
                return marked, original
        raise ValueError(
            f"this model's chat template looks for {next(iter(typed))!r} in what is said: take it out of there"
        )

    # -- control tokens --

    @cached_property
    def _control(self) -> frozenset[int]:
        """What text never becomes: special tokens, those given, and those that the template writes by itself.

        The token for what a tokenizer does not know is text like any other.
        """
        special = (token for token, added in self.tokenizer.added_tokens_decoder.items() if added.special)
        given = {*self.tokenizer.all_special_ids, *special, *self.control} - {self.tokenizer.unk_token_id}
        if self.template is None:
            return frozenset(given)
        user, system, answer = ({"role": role, "content": "\ue000"} for role in (USER, SYSTEM, ASSISTANT))
        added, written = self.tokenizer.get_added_vocab(), []
        for messages in ([user], [system, user], [user, answer, user]):
            with suppress(ValueError):  # some templates know no system text
                written.append(self._filled(messages))
        return frozenset(given | {id for token, id in added.items() if any(token in text for text in written)})

    @cached_property
    def _control_pattern(self) -> re.Pattern[str]:
        """The texts of control tokens, a longer one before one that it begins with."""
        texts = filter(None, self.tokenizer.convert_ids_to_tokens(sorted(self._control)))
        either = "|".join(map(re.escape, sorted(texts, key=len, reverse=True)))
        return re.compile(f"({either or '(?!)'})")

    @cached_property
    def _control_safe_tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer, for which every added control token is special: such tokens alone can be left unread."""
        added = self.tokenizer.added_tokens_decoder
        if backend := getattr(self.tokenizer, "backend_tokenizer", None):
            backend.add_special_tokens([added[token] for token in sorted(self._control) if token in added])
        return self.tokenizer

    @cached_property
    def _pieces(self) -> dict[int, Piece]:
        return {}

    @cached_property
    def _textless(self) -> frozenset[int]:
        """The tokens without a text of their own."""
        return frozenset([*self.tokenizer.all_special_ids, *self.control])

    @cached_property
    def _anchor(self) -> list[int]:
        """A word to stand before a token: only after one does a tokenizer show whether a token begins a new word."""
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
        if letters is None or token_id in self._textless:
            return ""
        if byte := _BYTE.fullmatch(letters):
            return bytes.fromhex(byte[1])
        before = self.tokenizer.decode(self._anchor)
        text = self.tokenizer.decode([*self._anchor, token_id])[len(before) :]
        if "�" not in text:
            return text
        return bytes(self._byte_of[letter] for letter in letters) if set(letters) <= set(self._byte_of) else text

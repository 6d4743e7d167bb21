"""A conversation: the messages before a prompt, each with a role and a content.

Messages are what chat templates and APIs take: {"role": "system", "user" or "assistant", "content": text}.  They come
from pages, links, programs and run files, so nothing about them is taken for granted.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dlm_core.unicode import well_formed

Message = Mapping[str, str]
SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
MAX_MESSAGES, MAX_CHARACTERS = 100, 20_000  # a canvas holds less, so more is no conversation


def validate(messages: Any) -> list[Message]:
    """Return messages that form a conversation: at most a system text, then questions, each with its answer.

    Anything else is a ValueError of one sentence.
    """
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not all(map(_is_message, messages)):
        raise ValueError('a conversation is a list of messages such as {"role": "user", "content": "Hello"}')
    if len(messages) > MAX_MESSAGES:
        raise ValueError(f"a conversation has at most {MAX_MESSAGES} messages, got {len(messages)}: begin a new one")
    if (characters := sum(len(message["content"]) for message in messages)) > MAX_CHARACTERS:
        raise ValueError(f"a conversation has at most {MAX_CHARACTERS} characters, got {characters}: begin a new one")
    roles = [message["role"] for message in messages]
    turns = roles[roles[:1] == [SYSTEM] :]
    if turns != [USER, ASSISTANT] * (len(turns) // 2):
        raise ValueError(
            "a conversation is at most a system text, then questions, each with its answer, got "
            + ", ".join(role[:20] for role in roles[:8])
        )
    return [{"role": message["role"], "content": well_formed(message["content"])} for message in messages]


def _is_message(message: Any) -> bool:
    return isinstance(message, Mapping) and all(isinstance(message.get(name), str) for name in ("role", "content"))


def parse(text: str) -> list[Message]:
    """Return the messages in a text of JSON, none for an empty one; ValueError as `validate`."""
    try:
        return validate(json.loads(text) if text.strip() else [])
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError('a conversation is JSON such as [{"role": "user", "content": "Hello"}]') from error


def dump(messages: Sequence[Message]) -> str:
    """Return the JSON that `parse` reads."""
    return json.dumps([*messages], ensure_ascii=False)


def with_system(system: str | None, messages: Sequence[Message]) -> list[Message]:
    """Return the messages after a system text, if that is not empty; ValueError for one that is no text."""
    if not isinstance(system, str | None):
        raise ValueError("a system text must be a text")
    return ([{"role": SYSTEM, "content": system}] if system and system.strip() else []) + [*messages]


def with_answer(messages: Sequence[Message], question: str, answer: str) -> list[Message]:
    """Return the conversation with one more question and its answer."""
    return [*messages, {"role": USER, "content": question}, {"role": ASSISTANT, "content": answer.strip()}]

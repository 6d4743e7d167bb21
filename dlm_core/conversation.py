"""A conversation: what was said before the question at hand, as messages of a role and a content.

Messages are what chat templates and APIs take: {"role": "system", "user" or "assistant", "content": text}.  They come
from pages, links, programs and run files, so nothing about them is taken for granted.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from dlm_core.unicode import well_formed

Message = Mapping[str, str]
SYSTEM, USER, ASSISTANT = "system", "user", "assistant"
MOST_MESSAGES, MOST_LETTERS = 100, 20_000  # a canvas holds less, so more is no conversation


def checked(messages: Any) -> list[Message]:
    """What stands before a question: perhaps a system text, then questions, each with its answer; else a ValueError."""
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not all(map(_is_message, messages)):
        raise ValueError('a conversation is a list of messages such as {"role": "user", "content": "Hello"}')
    if len(messages) > MOST_MESSAGES:
        raise ValueError(f"a conversation has at most {MOST_MESSAGES} messages, got {len(messages)}: begin a new one")
    if (letters := sum(len(message["content"]) for message in messages)) > MOST_LETTERS:
        raise ValueError(f"a conversation has at most {MOST_LETTERS} letters, got {letters}: begin a new one")
    roles = [message["role"] for message in messages]
    turns = roles[roles[:1] == [SYSTEM] :]
    if turns != [USER, ASSISTANT] * (len(turns) // 2):
        raise ValueError(
            "what was said before a question is perhaps a system text, then questions, each with its answer, got "
            + ", ".join(role[:20] for role in roles[:8])
        )
    return [{"role": message["role"], "content": well_formed(message["content"])} for message in messages]


def _is_message(message: Any) -> bool:
    return isinstance(message, Mapping) and all(isinstance(message.get(name), str) for name in ("role", "content"))


def read(text: str) -> list[Message]:
    """The messages in a text of JSON; none in an empty one; ValueError as `checked`."""
    try:
        return checked(json.loads(text) if text.strip() else [])
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError('a conversation is JSON such as [{"role": "user", "content": "Hello"}]') from error


def written(messages: Sequence[Message]) -> str:
    """The JSON that `read` reads."""
    return json.dumps([*messages], ensure_ascii=False)


def begun(system: str | None, said: Sequence[Message]) -> list[Message]:
    """What was said, behind the system text if there is one."""
    return ([{"role": SYSTEM, "content": system}] if system and system.strip() else []) + [*said]


def answered(said: Sequence[Message], question: str, answer: str) -> list[Message]:
    """The conversation that goes on behind a question and its answer."""
    return [*said, {"role": USER, "content": question}, {"role": ASSISTANT, "content": answer.strip()}]

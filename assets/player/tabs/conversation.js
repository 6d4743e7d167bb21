// The conversation above the prompt: the messages before the prompt, which the next run follows up on.
//
// The value is a list of messages as JSON, each with a role and a content; text is text and nothing else.

import { putWords } from "../page/language.js";
import { phrase } from "../words.js";

export function mountConversation(root, { value, watch, keep }) {
  const part = (name) => root.querySelector(`[data-slot="${name}"]`);
  let messages = [];
  putWords(root);

  function draw() {
    messages = JSON.parse(value() || "[]");
    part("card").hidden = !messages.length;
    part("turns").replaceChildren(
      ...messages.map(({ role, content }) => {
        const turn = document.createElement("li");
        const who = document.createElement("b");
        const what = document.createElement("p");
        turn.dataset.role = role;
        who.textContent = phrase(role === "user" ? "conversation.you" : "conversation.answer");
        what.dir = "auto";
        what.textContent = content || phrase("conversation.silence");
        turn.append(who, what);
        return turn;
      }),
    );
    part("turns").scrollTop = part("turns").scrollHeight; // the newest is what the next question follows
  }

  const actions = {
    again: () => keep(messages.slice(0, -2), messages[messages.length - 2].content),
    new: () => keep([], null),
  };
  root.addEventListener("click", (event) => actions[event.target.closest("[data-action]")?.dataset.action]?.());
  watch(draw);
  draw();
}

import assert from "node:assert/strict";
import { after, test } from "node:test";
import { WORDS } from "../../assets/player/settings.js";
import { hasPhrase, messageText, phrase, setLanguage, translateFigure } from "../../assets/player/words.js";

after(() => setLanguage("en"));

test("a sentence is filled in, and text that has braces stays as it is", () => {
  setLanguage("en");
  assert.equal(phrase("player.seed", { seed: "{at}" }), WORDS.en["player.seed"].replace("{seed}", "{at}"));
});

test("a message is a sentence, a phrase with values, or several of them", () => {
  setLanguage("zh-CN");
  const about = { phrase: "player.seed", values: { seed: 5 } };
  assert.equal(messageText("as it is"), "as it is");
  assert.equal(messageText(about), WORDS["zh-CN"]["player.seed"].replace("{seed}", "5"));
  assert.equal(messageText(["a", about]), `a ${messageText(about)}`);
  assert.ok(hasPhrase("player.seed") && !hasPhrase("player.nothing"));
});

test("labels of a figure are translated, its data is not", () => {
  setLanguage("zh-CN");
  const label = WORDS.en["figures.position"];
  const figure = { data: [{ name: "written", y: [1] }], layout: { title: { text: label }, annotation: label } };
  const shown = translateFigure(figure);
  assert.equal(shown.layout.title.text, WORDS["zh-CN"]["figures.position"]);
  assert.equal(shown.layout.annotation, label);
  assert.deepEqual(shown.data, figure.data);
});

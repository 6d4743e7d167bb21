// Keys that work anywhere in the page.

export function mountShortcuts() {
  addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) document.getElementById("generate")?.click();
  });
  // Tab leaves an open menu and does not stop at its list, which goes away: Gradio's menu opens its list for every key
  // but Escape, and would leave it open after Tab
  addEventListener(
    "keydown",
    (event) => {
      const lists = /** @type {NodeListOf<HTMLElement>} */ (document.querySelectorAll(".option-list"));
      if (event.key === "Tab") for (const list of lists) list.tabIndex = -1;
      const { role } = /** @type {Element} */ (event.target);
      if (role === "combobox" && (event.key === "Tab" || event.key === "Shift")) event.stopPropagation();
    },
    true,
  );
}

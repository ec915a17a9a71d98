// Parts of a page that cost time: fetched when their button is pressed.

import { say } from "./saying.js";

for (const button of document.querySelectorAll("[data-part]")) {
  button.addEventListener("click", async () => {
    const before = button.textContent;
    button.disabled = true;
    button.textContent = button.dataset.wait;
    try {
      const answer = await fetch(button.dataset.part);
      if (!answer.ok) throw new Error();
      const part = new DOMParser().parseFromString(await answer.text(), "text/html");
      button.parentElement.replaceChildren(...[...part.body.children].map((item) => document.adoptNode(item)));
    } catch {
      say(button.dataset.failed);
      button.disabled = false;
      button.textContent = before;
    }
  });
}

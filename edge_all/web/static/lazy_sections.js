// Expensive parts of a page: fetched when their button is pressed, and shown in its place.

import { say } from "./toast.js";

// path: URL to fetch. made: function of the answer and the button that returns the elements to show.
export function fetchWhenPressed(button, path, made) {
  button.addEventListener("click", async () => {
    const before = button.textContent;
    button.disabled = true;
    button.textContent = button.dataset.wait;
    try {
      const answer = await fetch(path);
      if (!answer.ok) throw new Error();
      button.parentElement.replaceChildren(...await made(answer, button));
    } catch {
      say(button.dataset.failed);
      button.disabled = false;
      button.textContent = before;
    }
  });
}

async function part(answer) {
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return [...page.body.children].map((item) => document.adoptNode(item));
}

for (const button of document.querySelectorAll("[data-part]")) fetchWhenPressed(button, button.dataset.part, part);

// One cell: verdicts by key, maps on demand.

import "./asked_for.js";
import { say } from "./saying.js";
import { listen } from "./verdicts.js";

listen(() => [Number(document.querySelector("#cards .card").dataset.cell)], () => {});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select") || event.altKey || event.ctrlKey || event.metaKey) return;
  const leads = { ArrowLeft: "before", ArrowRight: "after", Escape: "up" }[event.key];
  const link = leads && document.getElementById(leads);
  if (link) { event.preventDefault(); link.click(); }
});

for (const button of document.querySelectorAll("[data-picture]")) {
  button.addEventListener("click", async () => {
    const before = button.textContent;
    button.disabled = true;
    button.textContent = button.dataset.wait;
    try {
      const answer = await fetch(button.dataset.picture);
      if (!answer.ok) throw new Error();
      const picture = new Image();
      picture.src = URL.createObjectURL(await answer.blob());
      picture.alt = button.dataset.alt.replace("{probability}", answer.headers.get("X-Blast-Probability"));
      picture.title = picture.alt;
      const items = [picture];
      if (answer.headers.get("X-Same-Model") !== "1") {
        const note = document.createElement("p");
        note.className = "note";
        note.textContent = button.dataset.other;
        items.push(note);
      }
      button.parentElement.replaceChildren(...items);
    } catch {
      say(button.dataset.failed);
      button.disabled = false;
      button.textContent = before;
    }
  });
}

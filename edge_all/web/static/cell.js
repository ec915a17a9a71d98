// Page of one cell: verdicts by key, maps on request.

import { fetchWhenPressed } from "./lazy_sections.js";
import { listen } from "./verdicts.js";

listen(() => [Number(document.querySelector("#cards .card").dataset.cell)], () => {});

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select") || event.altKey || event.ctrlKey || event.metaKey) return;
  const leads = { ArrowLeft: "before", ArrowRight: "after", Escape: "up" }[event.key];
  const link = leads && document.getElementById(leads);
  if (link) { event.preventDefault(); link.click(); }
});

async function map(answer, button) {
  const picture = new Image();
  picture.src = URL.createObjectURL(await answer.blob());
  picture.alt = button.dataset.alt.replace("{probability}", answer.headers.get("X-Blast-Probability"));
  picture.title = picture.alt;
  if (answer.headers.get("X-Same-Model") === "1") return [picture];
  const note = document.createElement("p");
  note.className = "note";
  note.textContent = button.dataset.other;
  return [picture, note];
}

for (const button of document.querySelectorAll("[data-picture]")) fetchWhenPressed(button, button.dataset.picture, map);

// Verdicts on selected cells: sent, and shown on their cards once they are saved.

import { say } from "./toast.js";

const cards = document.getElementById("cards");
const bar = document.getElementById("classes");

async function post(path, content) {
  try {
    const answer = await fetch(`/sessions/${cards.dataset.session}/${path}`, {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/json", "X-CSRF-Token": document.body.dataset.csrf },
      body: JSON.stringify(content),
    });
    const reply = await answer.json();
    if (answer.ok) return reply.cells;
    say(`${bar.dataset.failed} ${reply.error}`);
  } catch {
    say(bar.dataset.failed);
  }
  return null;
}

// A verdict without a kind leaves the model's kind open.
function differs(said, given) {
  return said.label !== given.model || Boolean(said.kind && given.kind && said.kind !== given.kind);
}

function show(cells) {
  for (const [number, said] of Object.entries(cells)) {
    const card = cards.querySelector(`.card[data-cell="${CSS.escape(number)}"]`);
    if (!card) continue;
    const counted = document.getElementById("reviewed-count");
    if (counted) counted.textContent = Number(counted.textContent) + (said ? 1 : 0) - (card.dataset.said ? 1 : 0);
    card.dataset.said = said ? said.label : "";
    const place = card.querySelector(".verdict");
    place.replaceChildren();
    place.classList.toggle("differs", Boolean(said) && differs(said, card.dataset));
    if (said) {
      const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      svg.setAttribute("class", `mark ${said.label}`);
      const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
      use.setAttribute("href", `#mark-${said.label}`);
      svg.append(use);
      place.append(svg);
    }
    const words = document.createElement("span");
    words.textContent = said ? said.text : place.dataset.empty;
    place.append(words);
  }
}

export async function give(numbers, label, kind) {
  if (!bar) return false;
  if (!numbers.length) { say(bar.dataset.none); return false; }
  const cells = await post("verdicts", { cells: numbers, label, kind: kind || null });
  if (!cells) return false;
  show(cells);
  const words = Object.values(cells)[0].text;
  say(bar.dataset.said.replace("{label}", words).replace("{count}", numbers.length));
  return true;
}

export async function undo() {
  if (!bar) return;
  const cells = await post("undo", {});
  if (!cells) return;
  show(cells);
  say(bar.dataset.undone.replace("{count}", Object.keys(cells).length));
}

// chosen: returns the numbers of the selected cells. afterwards: called with them after a verdict was saved. A key pressed
// while a verdict is being sent waits for it, because it is meant for the next cell.
export function listen(chosen, afterwards) {
  let before = Promise.resolve();
  const inTurn = (act) => { before = before.then(act, act); };
  const giveVerdict = (label, kind) => inTurn(async () => {
    const numbers = chosen();
    if (await give(numbers, label, kind)) afterwards(numbers);
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input, textarea, select") || event.altKey || event.metaKey) return;
    const key = event.key.toLowerCase();
    if (key === "z") { event.preventDefault(); inTurn(undo); return; }
    if (event.ctrlKey || !bar) return;
    const button = bar.querySelector(`[data-key="${CSS.escape(key)}"]`);
    if (button) { event.preventDefault(); giveVerdict(button.dataset.label, button.dataset.kind); }
  });
  if (!bar) return;
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("undo" in button.dataset) inTurn(undo);
    else giveVerdict(button.dataset.label, button.dataset.kind);
  });
  for (const button of bar.querySelectorAll("[data-label]")) {
    button.addEventListener("dragover", (event) => { event.preventDefault(); button.classList.add("over"); });
    button.addEventListener("dragleave", () => button.classList.remove("over"));
    button.addEventListener("drop", (event) => {
      event.preventDefault();
      button.classList.remove("over");
      giveVerdict(button.dataset.label, button.dataset.kind);
    });
  }
}

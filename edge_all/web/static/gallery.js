// Gallery: moving between cells, selecting, loading more.

import { listen } from "./verdicts.js";

const list = document.getElementById("cards");
const output = document.getElementById("chosen");
let at = -1;
let anchor = -1;

const all = () => [...list.querySelectorAll(".card")];
const picked = () => all().filter((card) => card.getAttribute("aria-selected") === "true");

function choose(card, on) {
  card.setAttribute("aria-selected", on ? "true" : "false");
}

function showCount() {
  if (!output) return;
  const count = picked().length;
  output.textContent = count === 0 ? "" : count === 1 ? output.dataset.one : output.dataset.many.replace("{count}", count);
}

function only(card) {
  for (const other of picked()) choose(other, false);
  if (card) choose(card, true);
}

function go(to, extend) {
  const cards = all();
  if (!cards.length) return;
  at = Math.max(0, Math.min(cards.length - 1, to));
  if (extend) {
    if (anchor < 0) anchor = at;
    for (const [i, card] of cards.entries()) choose(card, i >= Math.min(anchor, at) && i <= Math.max(anchor, at));
  } else {
    anchor = at;
    only(cards[at]);
  }
  for (const [i, card] of cards.entries()) card.tabIndex = i === at ? 0 : -1;
  cards[at].focus({ preventScroll: true });
  cards[at].scrollIntoView({ block: "nearest" });
  showCount();
}

function columns() {
  return getComputedStyle(list).gridTemplateColumns.split(" ").length;
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, textarea, select, button") || event.altKey || event.metaKey) return;
  const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns(), ArrowUp: -columns() };
  const cards = all();
  if (event.key in steps) {
    event.preventDefault();
    go(at < 0 ? 0 : at + steps[event.key], event.shiftKey);
  } else if (event.key === "Home" || event.key === "End") {
    event.preventDefault();
    go(event.key === "Home" ? 0 : cards.length - 1, event.shiftKey);
  } else if (event.key === " " && at >= 0) {
    event.preventDefault();
    choose(cards[at], cards[at].getAttribute("aria-selected") !== "true");
    showCount();
  } else if (event.key === "a" && event.ctrlKey) {
    event.preventDefault();
    for (const card of cards) choose(card, true);
    showCount();
  } else if (event.key === "Escape") {
    only(null);
    showCount();
  } else if (event.key === "Enter" && at >= 0 && !event.target.matches("a")) {
    cards[at].querySelector("a.crop").click();
  }
});

list.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  if (!card) return;
  const index = all().indexOf(card);
  const several = event.ctrlKey || event.shiftKey || event.metaKey;
  if (event.target.closest("a.crop") && !several) return;
  event.preventDefault();
  if (event.shiftKey) { go(index, true); return; }
  if (several || event.target.closest(".tick")) {
    choose(card, card.getAttribute("aria-selected") !== "true");
    at = anchor = index;
    showCount();
  } else go(index, false);
});

list.addEventListener("dragstart", (event) => {
  const card = event.target.closest(".card");
  if (!card) return;
  if (card.getAttribute("aria-selected") !== "true") { only(card); at = anchor = all().indexOf(card); showCount(); }
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", card.dataset.cell);
});

const numbers = () => picked().map((card) => Number(card.dataset.cell));

listen(
  numbers,
  // After a verdict on a single cell, move to the next one, unless the reviewer has already moved.
  (reviewed) => { if (reviewed.length === 1 && numbers().join() === reviewed.join() && at >= 0 && at < all().length - 1) go(at + 1, false); },
);

const watch = new IntersectionObserver(async (entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watch.unobserve(entry.target);
    try {
      const answer = await fetch(`${entry.target.dataset.next}&part=1`);
      if (!answer.ok) throw new Error();
      const part = new DOMParser().parseFromString(`<ul>${await answer.text()}</ul>`, "text/html");
      const known = new Set(all().map((card) => card.dataset.cell));
      const fresh = [...part.querySelector("ul").children].filter((item) => !known.has(item.dataset.cell));
      entry.target.replaceWith(...fresh.map((item) => document.adoptNode(item)));
      observe();
    } catch { /* the link inside still works */ }
  }
}, { rootMargin: "600px" });

function observe() {
  const more = list.querySelector(".more");
  if (more) watch.observe(more);
}

observe();
if (all().length) all()[0].tabIndex = 0;

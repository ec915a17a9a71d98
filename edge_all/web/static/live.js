// Live page: the counts are fetched once per second; the picture is a stream.

const panel = document.getElementById("panel");
const picture = document.getElementById("picture");
const gate = document.getElementById("gate");
const sample = document.getElementById("sample");
const next = document.getElementById("next");
const pattern = document.querySelector("#lines tr").cloneNode(true);
let phase = document.getElementById("dot").dataset.phase;

// The rows change when the first kinds are counted.
function showLines(counted) {
  const body = document.getElementById("lines");
  const shown = [...body.rows].map((row) => row.dataset.line);
  if (shown.join() !== counted.map((line) => line.key).join()) {
    const rows = counted.map((line) => {
      const row = pattern.cloneNode(true);
      row.dataset.line = line.key;
      row.querySelector("use").setAttribute("href", `#mark-${line.label}`);
      row.querySelector("svg").setAttribute("class", `mark ${line.label}`);
      row.querySelector("th span").textContent = line.text;
      return row;
    });
    body.replaceChildren(...rows);
  }
  for (const [i, line] of counted.entries()) {
    const [count, percent, interval] = body.rows[i].querySelectorAll("td");
    count.textContent = line.count;
    percent.textContent = line.percent;
    interval.textContent = line.interval;
  }
}

function show(state) {
  for (const place of document.querySelectorAll("[data-show]")) {
    const text = String(state[place.dataset.show]);
    if (place.textContent !== text) place.textContent = text;
  }
  showLines(state.lines);
  for (const [i, goal] of state.goals.entries()) {
    document.querySelector(`[data-goal="${i}"]`).value = goal.share;
    document.querySelector(`[data-goal-text="${i}"]`).textContent = goal.text;
  }
  const [, span, point] = document.querySelectorAll("#interval rect");
  span.setAttribute("x", state.low);
  span.setAttribute("width", Math.max(0.4, state.high - state.low));
  point.setAttribute("x", state.percent);
  gate.hidden = !state.gate;
  gate.dataset.good = state.gate_good ? "1" : "0";
  if (gate.textContent !== state.gate) gate.textContent = state.gate;
  document.getElementById("dot").dataset.phase = state.phase;
  document.getElementById("error").hidden = !state.error;
  document.getElementById("caution").hidden = !state.caution;
  document.getElementById("no-picture").hidden = state.picture || state.phase !== "idle";
  const link = document.getElementById("to-gallery");
  link.hidden = !state.session;
  if (state.session) link.href = `/sessions/${state.session}`;
  for (const form of document.querySelectorAll("[data-when]")) form.hidden = !form.dataset.when.split(" ").includes(state.phase);
  // A barcode reader types into the focused field.
  if (phase !== "idle" && state.phase === "idle" && sample) sample.focus();
  if (phase !== "running" && state.phase === "running" && next) next.focus();
  phase = state.phase;
}

let looking;

async function look() {
  let wait = 1000;
  try {
    const answer = await fetch("/live/state", { headers: { Accept: "application/json" } });
    if (answer.status === 401) { location.reload(); return; }
    if (!answer.ok) throw new Error();
    show(await answer.json());
  } catch {
    document.getElementById("error").hidden = false;
    document.querySelector('[data-show="error"]').textContent = panel.dataset.lost;
    wait = 2000;
  }
  clearTimeout(looking);
  looking = setTimeout(look, document.hidden ? 3000 : wait);
}

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (!form.action.endsWith("/live/command")) return;
  event.preventDefault();
  if (form.dataset.sent) return; // pressed twice
  form.dataset.sent = "1";
  const toast = document.getElementById("toast");
  try {
    const answer = await fetch(form.action, {
      method: "POST",
      headers: { Accept: "application/json", "Content-Type": "application/x-www-form-urlencoded" },
      body: new URLSearchParams(new FormData(form)),
    });
    const reply = await answer.json();
    toast.hidden = answer.ok;
    if (!answer.ok) { toast.textContent = reply.error; return; }
    for (const field of [sample, next]) if (field && form.contains(field)) field.value = "";
    clearTimeout(looking);
    looking = setTimeout(look, 250); // show the effect immediately
  } catch {
    toast.hidden = false;
    toast.textContent = panel.dataset.lost;
  } finally {
    delete form.dataset.sent;
  }
});

// The stream never ends, so it starts after loading, to let the page finish loading. A broken stream is requested again,
// and the stream of a hidden page is closed.
const stream = () => { picture.src = document.hidden ? "/static/icon.svg" : `${picture.dataset.stream}?${Date.now()}`; };
picture.addEventListener("error", () => setTimeout(stream, 2000));
document.addEventListener("visibilitychange", stream);
addEventListener("load", stream);

look();

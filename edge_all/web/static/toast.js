// Message shown for a few seconds.

const toast = document.getElementById("toast");
let hiding;

export function say(text) {
  toast.textContent = text;
  toast.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { toast.hidden = true; }, 4000);
}

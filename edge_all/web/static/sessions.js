// Exactly two sessions can be compared.

const form = document.getElementById("compare");
if (form) {
  const boxes = [...form.querySelectorAll('input[name="session"]')];
  const button = form.querySelector("button");
  const settle = () => {
    const chosen = boxes.filter((box) => box.checked).length;
    button.disabled = chosen !== 2;
    for (const box of boxes) box.disabled = chosen >= 2 && !box.checked;
  };
  form.addEventListener("change", settle);
  settle();
}

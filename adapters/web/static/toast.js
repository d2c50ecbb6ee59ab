// Short notes at the edge of the page; a problem stays longer.

const place = document.querySelector(".toasts");

export function tell(text, kind = "note") {
  const toast = document.createElement("p");
  toast.className = `toast ${kind}`;
  toast.textContent = text;
  place.append(toast);
  setTimeout(() => toast.remove(), kind === "problem" ? 8000 : 3500);
}

// The way in: redeem a link, or notice that this browser is in already (a link from another site
// hides the cookie on the first request).

const form = document.querySelector("#enter");
const me = await (await fetch("/whoami")).json();
if (me.id && (!form || "open" in form.dataset)) location.replace("/");

form?.addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { token: form.dataset.token, name: form.elements.name?.value ?? "" };
  const headers = { "Content-Type": "application/json" };
  const response = await fetch("/enter", { method: "POST", headers, body: JSON.stringify(body) });
  if (response.ok) location.replace("/");
  else form.querySelector(".problem").textContent = (await response.json()).error;
});

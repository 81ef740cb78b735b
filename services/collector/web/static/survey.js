// Progressive enhancement: the pages work without this. With it, the next step opens in place, and the customer's text
// is not lost when the connection fails.
"use strict";

const step = document.getElementById("step");

function open(html, address) {
  const page = new DOMParser().parseFromString(html, "text/html");
  const next = page.getElementById("step");
  if (!next) return false;
  // A page that refreshes itself has to be loaded to do so.
  if (page.querySelector('meta[http-equiv="refresh"]')) {
    location.replace(address);
    return true;
  }
  history.replaceState(null, "", address);
  document.title = page.title;
  const first = next.querySelector("[autofocus]") ?? next.querySelector("h1");
  first.removeAttribute("autofocus");
  step.replaceChildren(...next.childNodes);
  step.classList.add("fresh");
  first.focus();
  return true;
}

function showNotSaved(form) {
  let notice = form.querySelector(".notice");
  if (!notice) {
    notice = document.createElement("p");
    notice.className = "notice error";
    notice.setAttribute("role", "alert");
    form.querySelector("button").before(notice);
  }
  notice.textContent = step.dataset.notSaved;
}

async function send(form) {
  if (form.getAttribute("aria-busy") === "true") return;
  form.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(form.action, {
      method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "text/html" },
    });
    // The collector's pages are shown, including "a score is missing"; on a server error the form is left unchanged.
    if (response.status >= 500 || !open(await response.text(), response.url)) showNotSaved(form);
  } catch {
    showNotSaved(form);
  } finally {
    form.removeAttribute("aria-busy");
  }
}

step.addEventListener("submit", (event) => {
  event.preventDefault();
  send(event.target);
});

// Draws the charts, follows the live stream, and offers the tables as files. Without it the page is complete, but still.
"use strict";

(() => {
  const dashboard = document.getElementById("dashboard");
  const live = document.getElementById("live");
  const pause = 1500;
  let busy = false;
  let again = false;

  function localTimes() {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const time of document.querySelectorAll("time[datetime]")) {
      time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
      time.title = zone;
    }
  }

  // Replaces only what changed inside the parts marked for it: nothing that was opened, focused or scrolled to moves.
  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!next.getElementById("score") !== !document.getElementById("score")) { location.reload(); return; }
      for (const part of document.querySelectorAll("[data-live]")) {
        const replacement = next.getElementById(part.id);
        if (!replacement || replacement.innerHTML === part.innerHTML || part.contains(document.activeElement)) continue;
        part.innerHTML = replacement.innerHTML;
        if (part.id === "score") {
          part.classList.remove("moved");
          void part.offsetWidth;
          part.classList.add("moved");
        }
      }
      document.title = next.title;
      localTimes();
      await Charts.all();
    } catch {
      live.textContent = "Updates pause: the server does not answer. Trying again.";
    } finally {
      setTimeout(() => {
        busy = false;
        if (again) { again = false; refresh(); }
      }, pause);
    }
  }

  function follow() {
    const stream = new EventSource(dashboard.dataset.stream);
    stream.addEventListener("open", () => { live.textContent = "Live: new answers appear by themselves."; });
    stream.addEventListener("error", () => { live.textContent = "Updates pause: the connection broke. Trying again."; });
    stream.addEventListener("score.updated", refresh);
    addEventListener("pagehide", () => stream.close());
  }

  function download(table) {
    const quoted = (cell) => `"${cell.textContent.trim().replace(/−/g, "-").replace(/"/g, '""').replace(/^([=+@])/, "'$1")}"`;
    const rows = [...table.rows].map((row) => [...row.cells].map(quoted).join(","));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([rows.join("\r\n") + "\r\n"], { type: "text/csv" }));
    link.download = `${table.id.replace("-table", "")}.csv`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  for (const button of document.querySelectorAll("[data-download]")) {
    button.hidden = false;
    button.addEventListener("click", () => download(document.getElementById(button.dataset.download)));
  }
  localTimes();
  Charts.all();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Charts.all());
  if (window.EventSource) follow();
})();

// Draws the charts, follows the live stream, and offers the tables for download. The page is complete without it.
"use strict";

(() => {
  const dashboard = document.getElementById("dashboard");
  const live = document.getElementById("live");
  const library = document.getElementById("chart-library");

  // Milliseconds between requests: during bursts of answers, when the tab is hidden, without updates (a comment does not
  // change a score, and days end without an answer), when the stream is disconnected, and the backoff after failures.
  const pauses = {
    busy: 1_500, hidden: 30_000, quiet: 60_000, disconnected: 15_000, failed: [2_000, 4_000, 8_000, 15_000],
  };
  const reopenAfter = 15_000;
  let stream = null;
  let connected = false;
  let failures = 0;
  let asking = false;
  let rested = true;
  let news = false;
  let timer;

  function state() {
    if (failures) return "Updates paused: the server is not responding. Retrying.";
    if (!connected) return "Updates are delayed: no live connection. Retrying.";
    return "Live: new answers appear automatically.";
  }

  // Screen readers announce every change of the text, also to the same text.
  function tell() {
    if (live.textContent !== state()) live.textContent = state();
  }

  function localTimes(page) {
    const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
    for (const time of page.querySelectorAll("time[datetime]")) {
      time.textContent = new Date(time.dateTime).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
      time.title = zone;
    }
  }

  // Updating the page without a jump -------------------------------------------------------------------------------

  const parts = (page) => [...page.querySelectorAll("[data-live]")];
  const names = (page) => parts(page).map((part) => part.id).join();

  // A part with the focus or a selection is not replaced.
  function inUse(part) {
    const selection = getSelection();
    return part.contains(document.activeElement) || (!selection.isCollapsed && selection.containsNode(part, true));
  }

  function replace(next) {
    for (const part of parts(document)) {
      const fresh = next.getElementById(part.id);
      const opened = [...part.querySelectorAll("details[open][id]")];
      for (const details of opened) fresh.querySelector(`#${CSS.escape(details.id)}`)?.setAttribute("open", "");
      if (fresh.innerHTML === part.innerHTML || inUse(part)) continue;
      part.innerHTML = fresh.innerHTML;
      if (part.id === "score") {
        part.classList.remove("moved");
        void part.offsetWidth;
        part.classList.add("moved");
      }
    }
    document.title = next.title;
  }

  async function renew() {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (response.redirected) return location.reload(); // signed out: a reload leads to the sign-in page
    if (!response.ok) throw new Error(`status ${response.status}`);
    const next = new DOMParser().parseFromString(await response.text(), "text/html");
    if (names(next) !== names(document)) return location.reload(); // a part was added or removed, as with the first answer
    localTimes(next);
    replace(next);
    dashboard.dataset.stream = next.getElementById("dashboard").dataset.stream; // to follow from what is shown now
    Charts.all();
  }

  async function refresh() {
    news = true;
    if (asking || !rested) return;
    clearTimeout(timer);
    asking = true;
    news = rested = false;
    try {
      await renew();
      failures = 0;
    } catch {
      failures += 1;
    }
    asking = false;
    tell();
    setTimeout(() => {
      rested = true;
      if (news) refresh();
    }, document.hidden ? pauses.hidden : pauses.busy);
    const undisturbed = connected || document.hidden ? pauses.quiet : pauses.disconnected;
    const pause = failures ? pauses.failed[Math.min(failures, pauses.failed.length) - 1] : undisturbed;
    timer = setTimeout(refresh, pause * (0.8 + 0.4 * Math.random()));
  }

  // Browsers open six connections to a server, for all tabs together, and a stream keeps one for good: with six tabs in
  // the background, a seventh could load nothing. So only a tab that is seen has a stream.
  function follow() {
    if (stream || document.hidden) return;
    const opened = new EventSource(dashboard.dataset.stream);
    stream = opened;
    opened.addEventListener("open", () => {
      connected = true;
      tell();
    });
    opened.addEventListener("error", () => {
      if (connected) refresh();
      connected = false;
      tell();
      // Browsers reconnect automatically, but not after an error status, such as for too many streams.
      if (opened.readyState !== EventSource.CLOSED || stream !== opened) return;
      stream = null;
      setTimeout(follow, reopenAfter * (0.5 + Math.random()));
    });
    opened.addEventListener("score.updated", refresh);
  }

  function letGo() {
    stream?.close();
    stream = null;
    connected = false;
  }

  function comeBack() {
    follow();
    rested = true;
    refresh();
  }

  // The numbers as a file --------------------------------------------------------------------------------------------

  function download(table) {
    const quoted = (text) => `"${text.replace(/"/g, '""')}"`;
    // Against CSV injection: names come from customers' orders, and a spreadsheet must not take one for a formula.
    const words = (text) => quoted(text.replace(/^([=+@\-\t\r])/, "'$1"));
    const number = (text) => quoted(text.replace(/−/g, "-").replace(/,/g, ""));
    const written = (cell) => (cell.matches("td.number") ? number : words)(cell.textContent.trim());
    const rows = [...table.rows].map((row) => [...row.cells].map(written).join(","));
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
  document.addEventListener("visibilitychange", () => (document.hidden ? letGo() : comeBack()));
  addEventListener("pagehide", letGo);
  addEventListener("pageshow", (event) => {
    if (event.persisted) comeBack();
  });
  localTimes(document);
  Charts.all();
  library.addEventListener("load", () => Charts.all());
  library.addEventListener("error", () => Charts.missing());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Charts.all());
  timer = setTimeout(refresh, pauses.quiet);
  follow();
})();

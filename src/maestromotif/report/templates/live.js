"use strict";
// Asks the server that the page came from for what is new, and shows it. What comes was escaped there, and no script in it can run.
(() => {
  const [live, connection] = ["live", "connection"].map((id) => document.getElementById(id));
  let seen = "";
  const ask = async () => {
    try {
      const answer = await fetch(`state?seen=${seen}`, { cache: "no-store" });
      if (!answer.ok) throw new Error(String(answer.status));
      const state = await answer.json();
      if (state.html !== null) live.innerHTML = state.html;
      seen = state.seen;
      connection.textContent = state.over ? "The command has ended; this is what it left." : "";
      if (state.over) return;
      setTimeout(ask, state.interval * 1000);
    } catch {
      connection.textContent = "Nobody answers any more: what follows is as of the last answer.";
      setTimeout(ask, 5000);
    }
  };
  setTimeout(ask, 500);
})();

"use strict";
// Without this script the page shows everything, one part after another. With it: one part at a time, chosen by the address
// (#task-tfbind8), tables that sort by their heads, and filters; sorting and filters are part of the address (#overview?method=root).
(() => {
  const root = document.documentElement;
  const overview = document.getElementById("overview");
  const methods = document.getElementById("method-filter");
  const tasks = document.getElementById("task-filter");
  const first = [...document.querySelectorAll("table")].map((table) => [table, [...table.tBodies[0].rows]]);
  const plain = new Set(["method", "mean rank", "tasks", "group", "above chance"]);
  let sorts = {};

  const value = (row, column) => {
    const cell = row.cells[column];
    return "key" in cell.dataset ? Number(cell.dataset.key) : cell.textContent.trim();
  };
  const compare = (a, b) => {
    // Cells without a number ("-", "failed") come last in either sort order.
    if (typeof a !== typeof b) return typeof a === "number" ? -Infinity : Infinity;
    return typeof a === "number" ? a - b : a.localeCompare(b);
  };
  const sort = (table, column, direction) => {
    const sign = direction === "descending" ? -1 : 1;
    const rows = [...table.tBodies[0].rows];
    rows.sort((a, b) => {
      const order = compare(value(a, column), value(b, column));
      return Math.abs(order) === Infinity ? order : sign * order;
    });
    table.tBodies[0].append(...rows);
    [...table.tHead.rows[0].cells].forEach((head, i) => {
      if (i === column) head.setAttribute("aria-sort", direction);
      else head.removeAttribute("aria-sort");
    });
  };

  const filter = () => {
    // Several names, separated by commas: any of them matches.
    const words = (field) => field.value.toLowerCase().split(",").map((word) => word.trim()).filter(Boolean);
    const matches = (name, list) => !list.length || list.some((word) => name.toLowerCase().includes(word));
    const wanted = words(methods), task = words(tasks);
    const shown = new Set(), all = new Set();
    for (const table of overview.querySelectorAll("table")) {
      for (const row of table.tBodies[0].rows) {
        row.hidden = !matches(row.dataset.label, wanted);
        all.add(row.dataset.label);
        if (!row.hidden) shown.add(row.dataset.label);
      }
      const names = [...table.tHead.rows[0].cells].map((head) => head.dataset.label);
      const perTask = /^(score|above-chance|diversity|duplicates|nearest-offline|novel-share|wall-time|peak-memory)(-\d+)?$/;
      if (!perTask.test(table.dataset.name)) continue;
      names.forEach((name, i) => {
        const hide = !plain.has(name) && !matches(name, task);
        for (const row of table.rows) row.cells[i].hidden = hide;
      });
    }
    document.getElementById("count").textContent = wanted.length ? `${shown.size} of ${all.size} methods` : "";
  };

  const remember = () => {
    const state = new URLSearchParams();
    if (methods.value) state.set("method", methods.value);
    if (tasks.value) state.set("task", tasks.value);
    for (const [name, [label, direction]] of Object.entries(sorts)) state.append("sort", `${name},${direction},${label}`);
    const text = state.toString();
    history.replaceState(null, "", `#overview${text ? `?${text}` : ""}`);
  };

  const open = () => {
    const [anchor, query] = location.hash.slice(1).split("?");
    const target = document.getElementById(decodeURIComponent(anchor)) || overview;
    const view = target.closest(".view") || overview;
    for (const other of document.querySelectorAll(".view")) other.classList.toggle("current", other === view);
    for (const link of document.querySelectorAll("nav a")) {
      if (link.hash === `#${view.id}`) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
    if (view === overview) {
      const state = new URLSearchParams(query || "");
      methods.value = state.get("method") || "";
      tasks.value = state.get("task") || "";
      sorts = {};
      for (const [table, rows] of first) {
        table.tBodies[0].append(...rows);
        for (const head of table.tHead.rows[0].cells) head.removeAttribute("aria-sort");
      }
      for (const text of state.getAll("sort")) {
        const [name, direction, ...label] = text.split(",");
        const table = overview.querySelector(`table[data-name="${CSS.escape(name)}"]`);
        const column = table ? [...table.tHead.rows[0].cells].findIndex((head) => head.dataset.label === label.join(",")) : -1;
        if (column < 0) continue;
        sort(table, column, direction === "descending" ? "descending" : "ascending");
        sorts[name] = [label.join(","), direction];
      }
      filter();
    }
    document.title = view === overview ? "Leaderboard" : `${view.querySelector("h2").textContent} - Leaderboard`;
    // After the browser's own jump to the anchor, which happened before parts were hidden.
    requestAnimationFrame(() => (target === view ? window.scrollTo(0, 0) : target.scrollIntoView()));
  };

  for (const [table] of first) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const numbers = [...table.tBodies[0].rows].some((row) => "key" in row.cells[column].dataset);
        const now = head.getAttribute("aria-sort");
        const start = numbers && !/rank/.test(head.dataset.label) ? "descending" : "ascending";
        const direction = now ? (now === "descending" ? "ascending" : "descending") : start;
        sort(table, column, direction);
        if (overview.contains(table)) {
          sorts[table.dataset.name] = [head.dataset.label, direction];
          remember();
        }
      });
    });
  }
  for (const field of [methods, tasks]) field.addEventListener("input", () => { filter(); remember(); });
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });
  window.addEventListener("hashchange", open);
  root.classList.add("js");
  open();
})();

// Addresses, filters, tooltips, sorting, downloads.
const root = document.documentElement;
const views = [...document.querySelectorAll(".view")];
const FILTERS = ["method", "task", "family", "kind", "from", "privileged", "cost", "percentile"];

// ---- sorting of plain tables ----------------------------------------------------------------------------------------------------
const EMPTY = new Set(["\u00b7", "\u2013", ""]);
// What a cell is sorted by: a number, a text, or null where it is empty. The first cell of a row may hold notes beside its name.
const valueOf = (row, column) => {
  const cell = row.cells[column];
  if ("key" in cell.dataset) return Number(cell.dataset.key);
  const text = column ? cell.textContent.trim() : row.dataset.label;
  return EMPTY.has(text) ? null : text;
};
// Numbers come first, then words ("failed"), then empty cells, in either order.
const kindOf = (value) => (typeof value === "number" ? 0 : value === null ? 2 : 1);
const sortTable = (table, column, direction) => {
  const sign = direction === "descending" ? -1 : 1;
  const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column), row]);
  rows.sort(([x], [y]) => kindOf(x) - kindOf(y) || (x === null ? 0 : sign * (typeof x === "number" ? x - y : x.localeCompare(y))));
  table.tBodies[0].append(...rows.map(([, row]) => row));
  [...table.tHead.rows[0].cells].forEach((head, i) => (i === column ? head.setAttribute("aria-sort", direction) : head.removeAttribute("aria-sort")));
};
// Heads whose small numbers are the good ones.
const SMALL_FIRST = /rank|second|time|MB|memory|std|^seed\b/;
function wireSort(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const numbers = [...table.tBodies[0].rows].some((row) => "key" in row.cells[column].dataset);
      const now = head.getAttribute("aria-sort");
      const start = numbers && !SMALL_FIRST.test(`${head.dataset.label} ${table.dataset.name}`) ? "descending" : "ascending";
      sortTable(table, column, now ? (now === "descending" ? "ascending" : "descending") : start);
    });
  });
}

// ---- the tables of the document follow the filters too ----------------------------------------------------------------------------
const filterTables = () => {
  const methods = new Set(shownMethods().map((m) => m.label)), tasks = new Set(shownTasks().map((t) => t.label));
  const families = new Set(shownTasks().map((t) => t.family));
  const knownMethods = new Set(METHODS.map((m) => m.label)), knownTasks = new Set(TASKS.map((t) => t.label));
  for (const table of byId("tables").querySelectorAll("table")) {
    for (const row of table.tBodies[0].rows) row.hidden = knownMethods.has(row.dataset.label) && !methods.has(row.dataset.label);
    const ofFamilies = table.dataset.name.startsWith("families-"), heads = [...table.tHead.rows[0].cells];
    const hidden = heads.map(({ dataset: { label } }, i) => (ofFamilies ? i > 0 && DATA.families.includes(label) && !families.has(label)
      : knownTasks.has(label) && !tasks.has(label)));
    for (const row of table.rows) [...row.cells].forEach((cell, i) => { cell.hidden = hidden[i]; });
    // A table of tasks none of which is shown goes with its heading.
    const own = heads.filter((head) => knownTasks.has(head.dataset.label));
    const empty = own.length > 0 && own.every((head) => head.hidden);
    table.parentNode.hidden = empty;
    byId(`table-${table.dataset.name}`).hidden = empty;
  }
};

// ---- addresses ------------------------------------------------------------------------------------------------------------------
let here = { view: "overview", anchor: "overview", method: null, task: null };
const NUMBERS = ["from", "cost", "percentile"];
const remember = () => {
  const words = new URLSearchParams();
  for (const name of FILTERS) if (state[name] !== DEFAULTS[name]) words.set(name, state[name]);
  if (here.view === "overview" && (state.sort !== "mean" || !state.down)) words.set("sort", `${state.down ? "descending" : "ascending"},${state.sort}`);
  if (state.pins) words.set("pins", state.pins.join("|"));
  const own = here.view === "pair" ? { a: state.a, b: state.b } : here.view === "cell" ? { m: here.method.label, t: here.task.label } : {};
  for (const [name, value] of Object.entries(own)) words.set(name, value);
  history.replaceState("complete", "", `#${here.anchor}${words.size ? `?${words}` : ""}`);
};
const refresh = () => {
  if (here.view === "overview") drawOverview();
  if (here.view === "pair") drawPair();
  if (here.view === "cell") drawCell(here.method, here.task);
  if (here.view === "method") drawMethod(here.method);
  if (here.view === "task") drawTask(here.task);
  if (here.view === "tables") filterTables();
};
const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return ""; // not an address of this page
  }
};
// An address with choices shows just these, and so does one that this page wrote, as when the reader goes back; one without any, as links
// within the page are, keeps what was chosen. What a filter does not offer is ignored.
const choose = (words) => {
  if (history.state === "complete" || [...FILTERS, "pins", "sort"].some((key) => words.has(key))) Object.assign(state, DEFAULTS);
  for (const key of FILTERS) {
    const { options } = byId(`filter-${key}`), value = words.get(key);
    if (value === null || (options && ![...options].some((option) => option.value === value))) continue;
    state[key] = NUMBERS.includes(key) ? Number(value) : value;
  }
  if (words.has("a")) state.a = words.get("a");
  if (words.has("b")) state.b = words.get("b");
  if (words.has("pins")) state.pins = words.get("pins").split("|");
  const [direction, ...rest] = (words.get("sort") || "").split(","), sort = rest.join(",");
  const sorts = ["mean", "name", "rank", "tasks", ...TASKS.map((task) => `task ${task.label}`)];
  if (sorts.includes(sort)) [state.down, state.sort] = [direction === "descending", sort];
};
const open = () => {
  hideTip();
  const [anchor, query] = location.hash.slice(1).split("?");
  const name = decoded(anchor), words = new URLSearchParams(query || "");
  choose(words);
  const method = METHODS.find((m) => m.anchor === name || (name === "cell" && m.label === words.get("m")));
  const task = TASKS.find((t) => t.anchor === name || (name === "cell" && t.label === words.get("t")));
  const target = byId(name), inside = target?.closest(".view");
  let view = "overview";
  if (name === "cell") view = method && task ? "cell" : view;
  else if (method) view = "method";
  else if (task) view = "task";
  else if (inside && !["cell", "method", "task"].includes(inside.id)) view = inside.id;
  here = { view, anchor: view === "overview" && inside?.id !== view ? view : name, method, task };
  for (const view of views) view.classList.toggle("current", view.id === here.view);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#${here.view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  byId("go-method").value = here.view === "method" ? method.anchor : "";
  byId("go-task").value = here.view === "task" ? task.anchor : "";
  showFilters();
  refresh();
  const heading = byId(here.view).querySelector("h2");
  document.title = here.view === "overview" ? DATA.title : `${heading.textContent} - ${DATA.title}`;
  const part = inside?.id === view && inside !== target ? target : null;
  requestAnimationFrame(() => (part ? part.scrollIntoView() : window.scrollTo(0, 0)));
  // The next key or word read belongs to the view that was opened; a page that was just loaded starts at its top.
  if (root.dataset.ready && !part) heading.focus({ preventScroll: true });
  remember();
};

// ---- filters ----------------------------------------------------------------------------------------------------------------------
const showFilters = () => { for (const name of FILTERS) byId(`filter-${name}`).value = state[name] || name === "percentile" ? String(state[name]) : ""; };
const setUpFilters = () => {
  const options = (id, values) => values.forEach(([value, text]) => byId(id).append(h("option", { value }, text)));
  options("filter-percentile", DATA.percentiles.map((p, i) => [String(i), `${p}th`]));
  options("filter-family", DATA.families.map((name) => [name, name]));
  options("filter-kind", [...new Set(METHODS.map((m) => m.kind))].sort().map((name) => [name, name]));
  options("filter-from", [...new Set(METHODS.map((m) => m.year).filter(Boolean))].sort().map((year) => [String(year), `${year} or later`]));
  options("filter-cost", [1, 10, 60, 600, 3600].map((s) => [String(s), s < 60 ? `${s} s` : s < 3600 ? `${s / 60} min` : "1 h"]));
  let waiting = 0;
  for (const name of FILTERS) {
    byId(`filter-${name}`).addEventListener("input", (event) => {
      const { value } = event.target;
      state[name] = NUMBERS.includes(name) ? Number(value) : value;
      cancelAnimationFrame(waiting);
      waiting = requestAnimationFrame(() => { remember(); refresh(); });
    });
  }
  byId("clear").addEventListener("click", () => {
    Object.assign(state, DEFAULTS);
    showFilters();
    remember();
    refresh();
  });
  const go = (id, items) => {
    items.forEach((item) => byId(id).append(h("option", { value: item.anchor }, item.label)));
    byId(id).addEventListener("change", (event) => { if (event.target.value) location.hash = event.target.value; });
  };
  go("go-method", [...METHODS].sort((a, b) => a.label.localeCompare(b.label)));
  go("go-task", TASKS);
  for (const [id, name] of [["pair-a", "a"], ["pair-b", "b"]]) byId(id).addEventListener("change", (event) => { state[name] = event.target.value; remember(); drawPair(); });
  byId("swap").addEventListener("click", () => { [state.a, state.b] = [state.b, state.a]; remember(); drawPair(); });
};

// ---- tooltips: for the pointer and for the keyboard -------------------------------------------------------------------------------
const tip = byId("tip");
const hideTip = () => { tip.hidden = true; };
const showTip = (node) => {
  const words = node.dataset.tip;
  if (!words) return hideTip();
  tip.textContent = words.replaceAll("`", "");
  tip.hidden = false;
  const box = node.getBoundingClientRect(), own = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(6, Math.min(box.left, innerWidth - own.width - 6))}px`;
  const below = box.bottom + 6 + own.height < innerHeight;
  tip.style.top = `${below ? box.bottom + 6 : Math.max(6, box.top - own.height - 6)}px`;
  // Screen readers get the words where the name of the element does not hold them already.
  if (!node.hasAttribute("aria-label")) node.setAttribute("aria-describedby", "tip");
};
const setUpTips = () => {
  const found = (event) => event.target.closest?.("[data-tip]");
  document.addEventListener("pointerover", (event) => (found(event) ? showTip(found(event)) : hideTip()));
  document.addEventListener("focusin", (event) => (found(event) ? showTip(found(event)) : hideTip()));
  document.addEventListener("focusout", hideTip);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  document.addEventListener("scroll", hideTip, true);
};

// ---- downloads ----------------------------------------------------------------------------------------------------------------------
// As bbo.text.inert: spreadsheets run no text of the table as a formula, and numbers stay numbers.
const NUMBER = /^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?$/i;
const inert = (text) => (/^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20']/.test(text) && !NUMBER.test(text) ? `'${text}` : text);
const quoted = (value) => {
  const text = typeof value === "number" ? String(value) : value === null || value === undefined ? "" : inert(String(value));
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
const csvText = () => {
  const lines = [["task", "family", "method", "seed", "status", ...DATA.percentiles.map((p) => `score_${p}`), "wall_seconds", "peak_memory_mb"]];
  for (const [m, t, cell] of DATA.cells) {
    if (!wasRun(cell)) continue;
    const where = [TASKS[t].label, TASKS[t].family, METHODS[m].label];
    cell.s.forEach((seed, i) => lines.push([...where, seed, "done", ...DATA.percentiles.map((_, p) => cell.p[p][i]), cell.c[i], cell.m[i]]));
    for (const [seed] of cell.f || []) lines.push([...where, seed, "failed", ...DATA.percentiles.map(() => null), null, null]);
  }
  return `${lines.map((line) => line.map(quoted).join(",")).join("\n")}\n`;
};
const save = (name, text, type) => {
  const link = h("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

byId("theme").addEventListener("click", () => {
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  refresh();
});
byId("save-csv").addEventListener("click", () => save("scores.csv", csvText(), "text/csv"));
byId("save-json").addEventListener("click", () => save("board.json", byId("data").textContent, "application/json"));
byId("print").addEventListener("click", () => window.print());
// Paper is light. Tables are printed smaller, and those that would not fit as small as the paper asks: pixels across A4 or letter,
// lying, without margins. Charts cannot be drawn again before printing begins; the style sheet sees to their texts.
const PAPER = 970;
let theme0 = null;
window.addEventListener("beforeprint", () => {
  theme0 = root.dataset.theme || "";
  root.dataset.theme = "light";
  if (here.view === "overview") drawMap();
  for (const table of document.querySelectorAll(".view.current table")) {
    table.style.setProperty("--fit", Math.min(table.id === "map" ? 0.9 : 0.72, PAPER / table.offsetWidth).toFixed(3));
  }
});
window.addEventListener("afterprint", () => {
  if (theme0) root.dataset.theme = theme0;
  else delete root.dataset.theme;
  if (here.view === "overview") drawMap();
});
byId("figures").append(...Object.values(overviewFigures));
byId("pair-figure").append(pairFigure);
for (const table of byId("tables").querySelectorAll("table")) wireSort(table);
setUpFilters();
setUpTips();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", refresh);
let width = innerWidth;
window.addEventListener("resize", () => { if (innerWidth !== width) { width = innerWidth; refresh(); } });
window.addEventListener("hashchange", open);
root.classList.add("js");
open();
root.dataset.ready = "1";
performance.mark("ready");

// The data of the page, and small helpers. Everything is drawn from DATA, so a filter changes every table and figure alike.
const DATA = JSON.parse(document.getElementById("data").textContent);
const WORDS = DATA.words;
const { tasks: TASKS, methods: METHODS } = DATA;
TASKS.forEach((task, index) => { task.index = index; });
METHODS.forEach((method, index) => { method.index = index; });
const CELLS = new Map(DATA.cells.map(([m, t, cell]) => [m * TASKS.length + t, cell]));
const cellOf = (method, task) => CELLS.get(method.index * TASKS.length + task.index);
const wasRun = (cell) => Boolean(cell && !cell.u);
const hasScores = (cell) => Boolean(cell && cell.s && cell.s.length);
const CHANCE = METHODS.find((method) => method.label === DATA.chance) || METHODS.find((method) => method.base === DATA.chance);

const chanceOn = (task) => Boolean(CHANCE && hasScores(cellOf(CHANCE, task)));

// What the reader chose; kept in the address where it is not the default.
const DEFAULTS = { percentile: DATA.first, method: "", task: "", family: "", kind: "", from: 0, privileged: "", cost: 0, pins: null,
  sort: "mean", down: true };
const state = { ...DEFAULTS, a: "", b: "" };

const h = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
};
const byId = (id) => document.getElementById(id);
const number = (value, digits = 3) => {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u00b7";
  // An exact half goes to the even digit, as in the tables, which Python rounds; toFixed alone rounds it away from zero.
  const exact = Math.abs(value).toFixed(60), end = exact.indexOf(".") + (digits ? digits + 1 : 0);
  const half = /^\.?50*$/.test(exact.slice(end)), even = "02468".includes(exact[end - 1]);
  const rounded = half && even ? Math.sign(value) * Number(exact.slice(0, end)) : Number(value.toFixed(digits));
  return (rounded + 0).toFixed(digits);
};
const signed = (value, digits = 3) => (value > 0 ? "+" : "") + number(value, digits);
const secondsText = (value) => value === null || !Number.isFinite(value) ? "\u00b7" : value < 10 ? value.toPrecision(2) : String(Math.round(value));
// How many tasks a value is over, where it is not all of them.
const outOf = (n, total) => (n < total ? ` (${n}/${total})` : "");
const nth = () => `${DATA.percentiles[state.percentile]}th`;

// Quantiles (seeds x DATA.quantiles) of a cell's scores, from 16 bits of the task's range.
const quantilesOf = (cell, task) => {
  if (!cell || !cell.q) return [];
  const bytes = Uint8Array.from(atob(cell.q), (c) => c.charCodeAt(0));
  const [low, high] = task.range;
  const values = Array.from(new Uint16Array(bytes.buffer), (v) => low + (v / 65535) * (high - low));
  return Array.from({ length: values.length / DATA.quantiles }, (_, i) => values.slice(i * DATA.quantiles, (i + 1) * DATA.quantiles));
};

// ---- filters: which methods and tasks are shown -------------------------------------------------------------------------------
const anyOf = (name, text) => {
  const words = text.toLowerCase().split(",").map((word) => word.trim()).filter(Boolean);
  return !words.length || words.some((word) => name.toLowerCase().includes(word));
};
const secondsOf = (method, tasks) => median(tasks.flatMap((task) => (cellOf(method, task)?.c || []).filter((v) => v !== null)));
const shownTasks = () => TASKS.filter((task) => (!state.family || task.family === state.family) && anyOf(task.label, state.task));
const shownMethods = () => METHODS.filter((method) => {
  if (!anyOf(method.label, state.method) || (state.kind && method.kind !== state.kind)) return false;
  if (state.from && method.year < state.from) return false;
  if (state.privileged && (state.privileged === "yes") !== method.privileged.length > 0) return false;
  return !(state.cost && !(secondsOf(method, TASKS) <= state.cost));
});
// At most eight highlighted methods: those the reader chose, or the floors and the best of those shown whose colours are free.
const MOST = 8;
const pinned = (methods, ranked) => {
  if (state.pins) return new Set(methods.filter((method) => state.pins.includes(method.label)).slice(0, MOST));
  const chosen = methods.filter((method) => method.highlighted);
  for (const method of ranked) {
    if (chosen.length < MOST && !method.highlighted && !chosen.some((other) => other.colour === method.colour)) chosen.push(method);
  }
  return new Set(chosen);
};

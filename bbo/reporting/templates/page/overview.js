// The overview: methods down, tasks across, colour = above chance; and the figures, of the same methods and tasks.
const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const luminance = (rgb) => {
  const [r, g, b] = rgb.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
// Ground and ink of a value above chance: from orange (worse than random) over neutral to blue.
const paint = (value) => {
  const v = Math.max(-1, Math.min(1, value));
  const from = channels(css("zero")), to = channels(css(v < 0 ? "below" : "above"));
  const rgb = from.map((c, i) => Math.round(c + (to[i] - c) * Math.abs(v)));
  const light = luminance(rgb);
  return [`rgb(${rgb.join(",")})`, 1.05 / (light + 0.05) >= (light + 0.05) / 0.05 ? "#ffffff" : "#000000"];
};
const compact = (value) => number(value, 2).replace(/^(-?)0\./, "$1.");
const MARKS = { like: "\u2248", few: "", "": "" };
// What one entry shows: text, a sort key, and the sentence of its tooltip.
const entryOf = (method, task) => {
  const cell = cellOf(method, task), where = `${method.label} on ${task.label}`;
  if (!cell) return { text: "\u00b7", kind: "absent", key: null, words: `${where}: not run.` };
  if (cell.u) return { text: "\u2013", kind: "unfit", key: null, words: `${where}: not applicable. ${cell.u}` };
  if (!hasScores(cell)) return { text: "\u00d7", kind: "failed", key: null, words: `${where}: every seed failed. ${cell.f[0]?.[1] || ""}` };
  const p = state.percentile, above = cell.a[p], scores = cell.p[p], like = cell.l[p];
  const told = { like: " Not significantly different from random at 95% (\u2248).", few: ` Too few seeds to compare it with random (fewer than ${DATA.fewest}).`, "": "" }[like];
  const words = `${where}: ${above === null ? "" : `${number(above)} above chance; `}normalised score ${number(mean(scores))}` +
    `${scores.length > 1 ? ` \u00b1 ${number(deviation(scores))}` : ""} (${scores.length} seed${scores.length > 1 ? "s" : ""}), rank ${number(cell.r[p], 1)}.${told}` +
    `${cell.f ? ` ${cell.f.length} failed.` : ""}${cell.w ? " With warnings." : ""}`;
  const shown = above === null ? mean(scores) : above;
  return { text: compact(shown) + MARKS[like], kind: "value", key: shown, above, words };
};
const cellLink = (method, task) => `#cell?${new URLSearchParams({ m: method.label, t: task.label })}`;

const markerSvg = (method) => {
  const paths = { o: "M-1,0A1,1 0 1 0 1,0A1,1 0 1 0 -1,0", s: "M-.9,-.9H.9V.9H-.9Z", "^": "M0,-1L1,.8H-1Z", D: "M0,-1.1L1,0L0,1.1L-1,0Z", v: "M0,1L1,-.8H-1Z",
    P: "M-.4,-1H.4V-.4H1V.4H.4V1H-.4V.4H-1V-.4H-.4Z" };
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "-1.3 -1.3 2.6 2.6");
  svg.setAttribute("class", "marker");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", paths[method.marker] || SHAPES[method.marker]);
  path.setAttribute("fill", method.colour);
  svg.append(path);
  return svg;
};

const overviewFigures = {
  standing: figure("standing", "Above chance, families, by method", `Mean over families of the mean over their tasks; from ${DATA.fewest} seeds on with its 95% interval over seeds (a widened bootstrap).`),
  cost: figure("cost", "Cost against score", "Median wall time of a cell on a logarithmic axis; the best are at the top, the cheapest on the left; the floors, which take no time, are dotted lines."),
  profile: figure("profile", "Performance profiles", "For every method the share of its runs, averaged over tasks, that score above the value on the horizontal axis."),
};
let current = { rows: [], tasks: [], pins: new Set() };

const ordered = (rows) => {
  const task = TASKS.find((t) => `task ${t.label}` === state.sort);
  const key = (row) => task ? entryOf(row.method, task).key : state.sort === "name" ? row.method.label.toLowerCase() : state.sort === "rank" ? row.rank
    : state.sort === "tasks" ? row.run : row.value;
  // Means over fewer tasks are not comparable with the others: they come below, in either order, as in the tables.
  const apart = { mean: (row) => !row.whole, rank: (row) => row.missing }[state.sort] || (() => false);
  const sign = state.down ? -1 : 1;
  return [...rows].sort((a, b) => {
    if (apart(a) !== apart(b)) return apart(a) ? 1 : -1;
    const x = key(a), y = key(b);
    // Those without a number come last, whichever way the others go.
    if (x === null || y === null) return x === y ? 0 : x === null ? 1 : -1;
    return sign * (typeof x === "string" ? x.localeCompare(y) : x - y);
  });
};

const byValue = (rows) => [...rows].sort((a, b) => b.whole - a.whole || (b.value ?? -Infinity) - (a.value ?? -Infinity));
const drawOverview = () => {
  const tasks = shownTasks(), methods = shownMethods();
  const rows = aggregate(methods, tasks, state.percentile);
  const pins = pinned(methods, byValue(rows).map((row) => row.method));
  current = { rows: ordered(rows), tasks, pins };
  drawMap();
  drawFigures();
};
const drawFigures = () => {
  const { rows, tasks, pins } = current;
  overviewFigures.standing.draw((width) => standingSpec(byValue(rows), width));
  overviewFigures.cost.draw((width) => costSpec(rows, tasks, pins, width));
  overviewFigures.profile.draw(() => profileSpec(rows.map((row) => row.method), tasks, pins));
};

const drawMap = () => {
  const { rows, pins } = current;
  const families = DATA.families.map((name) => [name, current.tasks.filter((task) => task.family === name)]).filter(([, own]) => own.length);
  const tasks = families.flatMap(([, own]) => own);
  const sortHead = (name, label, words, more = {}) => h("th", { scope: "col", "data-label": label, "aria-sort": state.sort === name ? (state.down ? "descending" : "ascending") : null, ...more },
    h("button", { type: "button", "data-tip": words, onclick: () => { state.down = state.sort === name ? !state.down : name !== "name" && name !== "rank"; state.sort = name; remember(); drawOverview(); focusHead(label); } }, label));
  const head = h("thead", {},
    h("tr", { class: "families" }, h("td", { class: "corner" }), h("td", { colspan: "3" }),
      families.map(([name, own]) => h("th", { scope: "colgroup", colspan: String(own.length), class: "edge", "data-tip": WORDS.family, tabindex: "0" }, name))),
    h("tr", {}, sortHead("name", "method", WORDS.method, { class: "corner" }), sortHead("mean", "above chance, families", WORDS["above chance, families"], { class: "tall" }),
      sortHead("rank", "mean rank", WORDS["mean rank"], { class: "tall" }), sortHead("tasks", "tasks", WORDS.tasks, { class: "tall" }),
      families.flatMap(([, own]) => own.map((task, i) => sortHead(`task ${task.label}`, task.label,
        `${task.label}: ${task.title}${task.saturated ? " Saturated: compare the 50th percentile." : ""}`, { class: i ? "tall task" : "tall task edge" })))));
  const first = new Set(families.map(([, own]) => own[0]));
  const body = h("tbody", {}, rows.map((row) => {
    const { method } = row;
    return h("tr", { "data-label": method.label },
      h("th", { scope: "row" },
        h("button", { type: "button", class: "pin", "aria-pressed": String(pins.has(method)), "aria-label": `highlight ${method.label}`, "data-tip": `Highlight in the figures (at most ${MOST}).`,
          onclick: () => pin(method) }, markerSvg(method)),
        h("a", { href: `#${method.anchor}`, "data-tip": method.title || method.summary }, method.label), method.privileged.length ? h("span", { class: "flag", "data-tip": WORDS.privileged, tabindex: "0" }, "P") : null),
      h("td", row.low === null ? {} : { "data-tip": `${number(row.value)} [${number(row.low)}, ${number(row.high)}]`, tabindex: "0" },
        `${number(row.value)}${row.given ? outOf(row.given, row.total) : ""}`), h("td", {}, number(row.rank, 2)), h("td", {}, `${row.run}/${row.total}`),
      tasks.map((task) => {
        const entry = entryOf(method, task), [ground, ink] = entry.kind === "value" && entry.above !== null ? paint(entry.above) : [null, null];
        const link = h("a", { href: cellLink(method, task), tabindex: "-1", "data-tip": entry.words, "aria-label": entry.words, style: ground ? `background:${ground};color:${ink}` : null }, entry.text);
        return h("td", { class: `heat ${entry.kind}${first.has(task) ? " edge" : ""}` }, link);
      }));
  }));
  const without = tasks.filter((task) => !chanceOn(task)), where = without.map((task) => task.label).join(", ");
  const title = `${without.length < tasks.length || !tasks.length ? "Score above chance" : "Normalised score"}, ${nth()} percentile of the designs`;
  const table = h("table", { id: "map", class: "map" }, h("caption", { class: "hidden" }, title), head, body);
  byId("map-place").replaceChildren(table);
  const start = table.querySelector("td.heat a");
  if (start) start.tabIndex = 0;
  table.addEventListener("keydown", moveInMap);
  byId("count").textContent = `${rows.length} of ${METHODS.length} methods, ${tasks.length} of ${TASKS.length} tasks`;
  byId("map-title").textContent = title;
  byId("no-chance").hidden = !without.length;
  byId("no-chance").textContent = without.length < tasks.length
    ? `random was not run on ${where}: entries there are normalised scores, without a colour, and do not count above chance.`
    : "random was not run: entries are normalised scores, and without it there is no score above chance, and no figure of it.";
  const verdicts = new Set(rows.filter(({ method }) => method.base !== DATA.chance).flatMap(({ method }) => tasks.filter(chanceOn)
    .map((task) => cellOf(method, task)).filter(hasScores).map((cell) => cell.l[state.percentile])));
  byId("few").hidden = !verdicts.has("few");
  byId("few").textContent = verdicts.size > 1 ? `Where fewer than ${DATA.fewest} seeds were run nothing is said about who differs from random.`
    : `Fewer than ${DATA.fewest} seeds: nothing can be told apart here. Differences may be noise.`;
};
const focusHead = (label) => document.querySelector(`#map thead th[data-label="${CSS.escape(label)}"] button`)?.focus();
const pin = (method) => {
  const pins = [...current.pins].map((m) => m.label);
  state.pins = current.pins.has(method) ? pins.filter((name) => name !== method.label) : [...pins.slice(-(MOST - 1)), method.label];
  remember();
  drawOverview();
  document.querySelector(`#map tr[data-label="${CSS.escape(method.label)}"] .pin`)?.focus();
};
// One entry of the map takes part in the tab order; arrow keys go to its neighbours.
const moveInMap = (event) => {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const cell = event.target.closest("td.heat");
  if (!step || !cell) return;
  event.preventDefault();
  const row = cell.parentNode.parentNode.rows[cell.parentNode.sectionRowIndex + step[0]];
  const next = row && row.cells[cell.cellIndex + step[1]]?.querySelector("a");
  if (!next || !next.closest("td.heat")) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
};

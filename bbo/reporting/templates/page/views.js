// Views of a pair, a cell, a method and a task.
const ALIAS = { "100th": "percentile", "80th": "percentile", "50th": "percentile", seconds: "wall time (s)", "seconds A": "wall time (s)", "seconds B": "wall time (s)",
  MB: "peak memory (MB)", score: "normalised score", A: "normalised score", B: "normalised score", measured: "normalised score", source: "published",
  "mean difference": "difference", "losses of B": "wins of B", "within noise": "verdict", negligible: "verdict", identical: "verdict",
  failed: "verdict", "only in A": "verdict", "only in B": "verdict" };
const explain = (head) => WORDS[head] || WORDS[ALIAS[head]] || WORDS[head.replace(/ [([].*$/, "")] || null;

// A table that sorts by its heads. A cell is a text, or {text, key, href, class}.
const makeTable = (name, title, heads, rows) => {
  const table = h("table", { "data-name": name },
    h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col", "data-label": head }, h("button", { type: "button", "data-tip": explain(`${head}, ${name}`) || explain(head) }, head))))),
    h("tbody", {}, rows.map((row) => h("tr", { "data-label": row[0].text ?? row[0] }, row.map((item, i) => {
      const cell = typeof item === "object" ? item : { text: item };
      return h(i ? "td" : "th", { scope: i ? null : "row", class: cell.class, "data-key": cell.key ?? null, "data-tip": cell.tip, tabindex: cell.tip ? "0" : null },
        cell.href ? h("a", { href: cell.href }, cell.text) : cell.text);
    })))));
  wireSort(table);
  return h("div", {}, h("h3", { id: `table-${name}` }, title), h("div", { class: "scroll", role: "region", tabindex: "0", "aria-labelledby": `table-${name}` }, table));
};
const numeric = (value, digits = 3, sign = false) => ({ text: sign ? signed(value, digits) : number(value, digits), key: Number.isFinite(value) && value !== null ? value : null });
const seedsItem = (values) => !values.length ? "\u00b7" : { text: values.length > 1 ? `${number(mean(values))} \u00b1 ${number(deviation(values))}` : number(values[0]), key: mean(values) };
const secondsItem = (values) => {
  const found = median(values.filter((v) => v !== null));
  return { text: secondsText(found), key: Number.isFinite(found) ? found : null };
};
const facts = (pairs) => h("dl", {}, pairs.filter(([, text]) => text !== "" && text !== null && text !== undefined).flatMap(([name, text]) => [h("dt", { "data-tip": explain(name), tabindex: explain(name) ? "0" : null }, name), h("dd", {}, text)]));
const list = (texts, heading) => texts.length ? [h("h3", {}, heading), h("ul", {}, texts.map((text) => h("li", {}, text)))] : [];
const about = (text) => text ? [h("h3", {}, "Description"), h("p", { class: "about" }, text)] : [];
const against = (cell) => ({ like: "not different", few: "too few seeds", "": "different" }[cell.l[state.percentile]]);
const versusRandom = (method, cell) => {
  if (method === CHANCE || !CHANCE || !hasScores(cell) || cell.a[state.percentile] === null) return "\u00b7";
  const verdict = against(cell);
  return verdict === "different" ? (cell.a[state.percentile] > 0 ? "better" : "worse") : verdict;
};
const SPREADS = [["diversity", "diversity"], ["duplicates", "duplicates"], ["nearest_offline", "nearest offline"], ["novel_share", "novel"]];
const SCORE_HEADS = ["rank", "100th", "80th", "50th", "above chance", "against random", "seeds"];
const COST_HEADS = ["seconds", "MB", ...SPREADS.map(([, head]) => head)];
const order = (label) => DATA.percentiles.indexOf(label);
const scoreItems = (method, cell) => hasScores(cell) ? [
  numeric(cell.r[state.percentile], 2), ...[100, 80, 50].map((p) => seedsItem(cell.p[order(p)])), numeric(cell.a[state.percentile]), versusRandom(method, cell),
  { text: `${cell.s.length}${cell.f ? ` (${cell.f.length} failed)` : ""}`, key: cell.s.length, class: cell.f ? "failed" : null }]
  : [numeric(cell.r ? cell.r[state.percentile] : null, 2), { text: cell.u ? "\u2013" : "failed", class: cell.u ? "unfit" : "failed", tip: cell.u || cell.f?.[0]?.[1] }, ...Array(SCORE_HEADS.length - 2).fill("\u00b7")];
const costItems = (cell) => {
  const memory = median(cell.m.filter((v) => v !== null));
  return [secondsItem(cell.c), numeric(memory, 0), ...SPREADS.map(([name]) => numeric(cell.d[name] ?? null))];
};

// ---- two methods ---------------------------------------------------------------------------------------------------------------
const pairFigure = figure("pair", "Difference on every task", `Mean of B minus mean of A; from ${DATA.fewest} seeds on with its 95% interval, and triangles where B is better or worse.`);
const drawPair = () => {
  const choose = (id, value) => {
    const select = byId(id);
    if (!select.options.length) METHODS.forEach((m) => select.append(h("option", { value: m.label }, m.label)));
    select.value = value;
  };
  const find = (label, other) => METHODS.find((m) => m.label === label) || METHODS.find((m) => !m.floor && m !== other) || METHODS[0];
  const a = find(state.a), b = METHODS.find((m) => m.label === state.b) || METHODS.find((m) => m !== a && m.base === a.base) || find("", a) || a;
  [state.a, state.b] = [a.label, b.label];
  choose("pair-a", a.label);
  choose("pair-b", b.label);
  const twins = METHODS.flatMap((m) => METHODS.filter((other) => other.label !== m.label && other.label.startsWith(`${m.label}+`)).map((other) => [m, other]));
  byId("twins").replaceChildren(...(twins.length ? ["With and without a regulariser: ", ...twins.flatMap(([x, y]) => [h("a", { href: `#pair?${new URLSearchParams({ a: x.label, b: y.label })}` }, y.label), " "])] : []));
  const p = state.percentile;
  const rows = shownTasks().map((task) => ({ task, x: cellOf(a, task), y: cellOf(b, task) })).filter(({ x, y }) => wasRun(x) || wasRun(y))
    .map((row) => ({ ...row, found: difference(row.x, row.y, p) })).map((row) => ({ ...row, verdict: verdictOf(row.x, row.y, row.found) }));
  const both = rows.filter((row) => row.found).sort((u, v) => v.found.value - u.found.value);
  const count = (verdict) => rows.filter((row) => row.verdict === verdict).length;
  const some = (verdict) => [verdict, count(verdict) ? String(count(verdict)) : ""];
  const few = count("too few seeds"), gaps = ["failed", "only in A", "only in B"].map(some);
  const total = both.length ? overall(both.map((row) => row.found)) : null;
  const time = (side) => median(both.flatMap((row) => row[side].c.filter((v) => v !== null)));
  byId("pair-summary").replaceChildren(...(!total ? [h("p", {}, "These two methods share no task with a finished seed."), facts(gaps)] : [facts([
    ["shared tasks", String(both.length)],
    ["mean difference", `${signed(total.value)}${Number.isFinite(total.low) ? ` [${signed(total.low)}, ${signed(total.high)}]` : ""} (B - A, ${nth()} percentile)`],
    ["wins of B", String(count("better"))], ["losses of B", String(count("worse"))], ["within noise", String(count("within noise"))],
    some("negligible"), some("identical"),
    ["too few seeds", few ? `${few}: with fewer than ${DATA.fewest} seeds nothing can be told apart` : ""], ...gaps,
    ["wall time (s)", `A ${secondsText(time("x"))}, B ${secondsText(time("y"))} (median of a cell)`],
    ["seeds", `paired over the seeds that both have${both.every((row) => row.found.paired) ? "" : "; where these are fewer than two, all of each (Welch's t)"}`]])]));
  pairFigure.draw(() => pairSpec(both));
  // A and B are over the seeds that are compared, so that their difference is the one printed.
  const side = (cell, scores) => {
    if (!wasRun(cell)) return cell ? { text: "\u2013", class: "unfit", tip: cell.u } : "\u00b7";
    if (!hasScores(cell)) return { text: "failed", class: "failed", tip: cell.f?.[0]?.[1] };
    return seedsItem(scores ?? cell.p[p]);
  };
  byId("pair-table").replaceChildren(...(rows.length ? [makeTable("pair", `${b.label} against ${a.label}`, ["task", "A", "B", "difference", "interval", "seeds", "verdict", "seconds A", "seconds B"],
    [...both, ...rows.filter((row) => !row.found)].map(({ task, x, y, found, verdict }) => [{ text: task.label, href: `#${task.anchor}` },
      side(x, found?.x), side(y, found?.y), numeric(found?.value ?? null, 3, true),
      found && Number.isFinite(found.low) ? { text: `${signed(found.low)} to ${signed(found.high)}`, key: found.low } : "\u00b7",
      found ? { text: `${found.seeds}${found.paired ? " paired" : ""}`, key: found.seeds } : "\u00b7",
      { text: verdict, class: verdict === "better" || verdict === "worse" ? "changed" : null },
      secondsItem(x?.c || []), secondsItem(y?.c || [])]))] : []));
};

// ---- one cell ------------------------------------------------------------------------------------------------------------------
const designsFigure = figure("designs", "Scores of all designs", "Share of the designs that score above the value on the horizontal axis: all seeds together, each seed (thin), random, and the visible table.");
// A path as one word on a shell's command line.
const oneWord = (path) => /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
const drawCell = (method, task) => {
  const cell = cellOf(method, task);
  byId("cell-title").replaceChildren(h("a", { href: `#${method.anchor}` }, method.label), " on ", h("a", { href: `#${task.anchor}` }, task.label));
  const body = byId("cell-body"), parts = [h("p", {}, entryOf(method, task).words)];
  if (hasScores(cell)) {
    parts.push(makeTable("seeds", "Every seed", ["seed", "100th", "80th", "50th", "seconds", "MB", "cell"], cell.s.map((seed, i) => [
      { text: String(seed), key: seed }, ...[100, 80, 50].map((p) => numeric(cell.p[order(p)][i], 4)), { text: secondsText(cell.c[i]), key: cell.c[i] }, numeric(cell.m[i], 0), { text: cell.h[i], class: "design" }])));
    parts.push(h("p", {}, "To run one of these again and compare: ", h("code", {}, `bbo rerun ${oneWord(cell.from || "RESULTS")} --cell ${cell.h[0]}`),
      cell.from ? "; " : ", where RESULTS is the folder or table that this page was made from; ", "with --list it prints the command that makes the cell."));
    if (cell.q) parts.push(designsFigure);
    else parts.push(h("p", {}, "The designs are not part of a collected table; make the page from the results folder to see them."));
    if (cell.b) parts.push(makeTable("best", "The best designs", ["design", "score", "seed"], cell.b.map(([score, seed, text]) => [{ text, class: "design" }, numeric(score, 4), { text: String(seed), key: seed }])));
  }
  if (cell) {
    parts.push(...list((cell.f || []).map(([seed, text]) => `seed ${seed}: ${text}`), "Failed seeds"), ...list(cell.w || [], "Warnings"));
    parts.push(...list((cell.o || []).map(([name, value]) => `${name} = ${value}`), "Settings that differ from the preset"));
    if (!cell.u && !cell.o) parts.push(h("p", {}, `Settings: those of the preset (${method.presets.join(", ") || "default"}).`));
  }
  body.replaceChildren(...parts);
  if (cell?.q) designsFigure.draw(() => designsSpec(method, cell, task));
};

// ---- one method ----------------------------------------------------------------------------------------------------------------
const linked = (text) => {
  const match = /arXiv\D{0,9}(\d{4}\.\d{4,5})/i.exec(text);
  return match ? h("span", {}, text, " ", h("a", { href: `https://arxiv.org/abs/${match[1]}`, rel: "noreferrer" }, "arXiv")) : text;
};
const drawMethod = (method) => {
  byId("method-title").replaceChildren("Method ", markerSvg(method), " ", method.label);
  const rows = shownTasks().map((task) => [task, cellOf(method, task)]).filter(([, cell]) => cell);
  byId("method-body").replaceChildren(...[
    h("p", {}, method.title || method.summary),
    h("p", {}, h("a", { href: `#pair?${new URLSearchParams({ a: CHANCE && CHANCE !== method ? CHANCE.label : METHODS[0].label, b: method.label })}` }, "Compare it with another method")),
    makeTable("method-scores", `Scores of ${method.label}`, ["task", ...SCORE_HEADS], rows.map(([task, cell]) => [{ text: task.label, href: cellLink(method, task) }, ...scoreItems(method, cell)])),
    makeTable("method-cost", "The designs and their cost", ["task", ...COST_HEADS], rows.filter(([, cell]) => hasScores(cell)).map(([task, cell]) => [{ text: task.label, href: cellLink(method, task) }, ...costItems(cell)])),
    ...(method.published.length ? [makeTable("published", "Published beside measured", ["task", "percentile", "measured", "published", "verdict", "source"],
      method.published.map((line) => line.map((text, i) => i >= 4 ? { text, class: "text" } : i && Number.isFinite(parseFloat(text)) ? { text, key: parseFloat(text) } : text)))] : []),
    ...list(method.notes, "What to know before comparing it"), h("h3", {}, "Facts"),
    facts([["kind", method.kind], ["year", method.year ? String(method.year) : ""], ["paper", method.paper ? linked(method.paper) : ""], ["privileged", method.privileged.join(", ")],
      ["version", method.version], ["preset", method.presets.join(", ")], ["changed from its preset", method.overrides.map(([k, v]) => `${k} = ${v}`).join(", ")],
      ...method.settings.map(([name, value]) => [`setting ${name}`, value])]),
    ...about(method.about)]);
};

// ---- one task ------------------------------------------------------------------------------------------------------------------
const seedsFigure = figure("seeds", "Every seed", "The score of every seed of every method; bars are means, the dashed line is the mean of random, the dotted one the best visible score.");
const traceFigures = [figure("trace-best", "Best along the way", "Best score of the designs against the share of the method's steps, mean over the traced seeds."),
  figure("trace-median", "Median along the way", "Median score of the designs against the share of the method's steps, mean over the traced seeds.")];
const drawTask = (task) => {
  byId("task-title").textContent = `Task ${task.label}`;
  const rows = shownMethods().map((method) => ({ method, cell: cellOf(method, task) })).filter(({ cell }) => cell)
    .sort((a, b) => (a.cell.r?.[state.percentile] ?? 1e9) - (b.cell.r?.[state.percentile] ?? 1e9));
  const done = rows.filter(({ cell }) => hasScores(cell));
  const names = (verdict) => done.filter(({ method, cell }) => versusRandom(method, cell) === verdict).map(({ method }) => method.label).join(", ");
  const floors = done.filter(({ method }) => method.floor).map(({ method, cell }) => `${method.label} ${number(mean(cell.p[state.percentile]))}`).join(", ");
  const told = done.some(({ method, cell }) => method !== CHANCE && against(cell) !== "too few seeds");
  byId("task-body").replaceChildren(...[
    h("p", {}, task.title),
    facts(!chanceOn(task) ? [["floor", floors], ["against random", "random was not run on this task"]] : !told ? [["floor", floors], ["against random", `with fewer than ${DATA.fewest} seeds nothing can be told apart`]] : [["floor", floors], ["better than random", names("better") || "none"], ["worse than random", names("worse")], ["not significantly different from random", names("not different")], ["too few seeds", names("too few seeds")]]),
    seedsFigure,
    makeTable("task-scores", `Methods on ${task.label}`, ["method", ...SCORE_HEADS], rows.map(({ method, cell }) => [{ text: method.label, href: cellLink(method, task) }, ...scoreItems(method, cell)])),
    makeTable("task-cost", "The designs and their cost", ["method", ...COST_HEADS], done.map(({ method, cell }) => [{ text: method.label, href: cellLink(method, task) }, ...costItems(cell)])),
    ...(done.some(({ cell }) => cell.t) ? traceFigures : []), ...list(task.notes, "What to know about it"), h("h3", {}, "Facts"), facts(task.facts), ...about(task.about)]);
  seedsFigure.draw(() => seedsSpec(done, task));
  const pins = pinned(done.map(({ method }) => method), done.map(({ method }) => method));
  traceFigures.forEach((node, which) => node.draw(() => traceSpec(done, which, pins)));
};

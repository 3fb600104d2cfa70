"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const PRINTED = 400;
  const at = Object.fromEntries(data.columns.map((name, index) => [name, index]));
  const get = (cell, name) => cell[at[name]];

  // ------------------------------------------------------------------ small helpers
  // Everything that comes from a document or a vendor goes through textContent, never through HTML.
  function make(tag, attributes, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "class") element.className = value;
      else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  }
  const known = (value) => value !== null && value !== undefined && value !== "";
  const number = (value, digits) => known(value) ? value.toLocaleString("en", { maximumFractionDigits: digits ?? 2 }) : "";
  const seconds = (value) => known(value) ? `${number(value, value < 10 ? 3 : 1)} s` : "";
  function bytes(value) {
    if (!known(value)) return "";
    const units = ["B", "kB", "MB", "GB", "TB"];
    let unit = 0;
    while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit += 1; }
    return `${number(value, unit ? 1 : 0)} ${units[unit]}`;
  }
  const chip = (word) => make("span", { class: `chip ${word}` }, word.replace("_", " "));
  function median(values) {
    const sorted = values.filter(known).sort((a, b) => a - b);
    if (!sorted.length) return null;
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
  function compare(a, b) {
    const empty = (value) => !known(value);
    if (empty(a) || empty(b)) return empty(a) - empty(b);
    return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  }
  // What is empty stays last, whatever the direction.
  const ordered = (a, b, direction) => known(a) && known(b) ? direction * compare(a, b) : compare(a, b);

  // ------------------------------------------------------------------ tables of the page
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => {
      const words = [...head.childNodes];
      const button = make("button", { type: "button", onclick: () => sort(column) }, words);
      head.replaceChildren(button);
    });
    function value(row, column) {
      const cell = row.cells[column];
      const text = cell.dataset.value ?? cell.textContent.trim();
      return text !== "" && !Number.isNaN(Number(text)) ? Number(text) : (text === "–" ? "" : text);
    }
    function sort(column) {
      const down = heads[column].getAttribute("aria-sort") === "ascending";
      heads.forEach((head) => head.removeAttribute("aria-sort"));
      heads[column].setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => ordered(value(a, column), value(b, column), down ? -1 : 1));
      table.tBodies[0].append(...rows);
    }
  }

  // ------------------------------------------------------------------ long lists, page by page
  const grids = [];

  class Grid {
    constructor(place, columns, rows, { detail = null, filters = [], search, page = 50 }) {
      Object.assign(this, { place, columns, rows, detail, filters, search, page });
      this.sorted = null;
      this.direction = 1;
      this.first = 0;
      this.words = "";
      this.build();
      this.refresh();
      grids.push(this);
    }

    build() {
      this.count = make("span", { "aria-live": "polite" });
      this.back = make("button", { type: "button", onclick: () => this.turn(-this.page) }, "◀ back");
      this.next = make("button", { type: "button", onclick: () => this.turn(this.page) }, "next ▶");
      const field = make("input", { type: "search", placeholder: "filter by any word", "aria-label": "filter", oninput: (event) => { this.words = event.target.value.toLowerCase(); this.refresh(); } });
      const selects = this.filters.map((filter) => make("select", { "aria-label": filter.label, onchange: (event) => { filter.chosen = event.target.value; this.refresh(); } },
        filter.options.map(([value, words]) => make("option", { value }, words))));
      this.heads = this.columns.map((column, index) => make("th", { scope: "col", class: column.text ? "text" : "" }, make("button", { type: "button", onclick: () => this.sort(index) }, column.title)));
      this.body = make("tbody");
      this.place.append(
        make("div", { class: "tools" }, field, selects, this.back, this.next, this.count),
        make("table", {}, make("thead", {}, make("tr", {}, this.heads)), this.body),
      );
    }

    sort(index) {
      this.direction = this.sorted === index ? -this.direction : 1;
      this.sorted = index;
      this.heads.forEach((head) => head.removeAttribute("aria-sort"));
      this.heads[index].setAttribute("aria-sort", this.direction > 0 ? "ascending" : "descending");
      this.refresh();
    }

    turn(by) {
      this.first = Math.max(0, Math.min(this.first + by, this.found.length - 1));
      this.draw(this.first, this.page);
    }

    refresh() {
      this.found = this.rows.filter((row) =>
        (!this.words || this.search(row).includes(this.words)) &&
        this.filters.every((filter) => !filter.chosen || filter.passes(row, filter.chosen)));
      if (this.sorted !== null) {
        const value = this.columns[this.sorted].value;
        this.found.sort((a, b) => ordered(value(a), value(b), this.direction));
      }
      this.first = 0;
      this.draw(0, this.page);
    }

    draw(first, most) {
      const shown = this.found.slice(first, first + most);
      this.body.replaceChildren(...shown.map((row) => this.line(row)));
      const last = first + shown.length;
      const all = this.found.length === this.rows.length ? "" : ` (of ${number(this.rows.length)})`;
      this.count.textContent = shown.length ? `${number(first + 1)}–${number(last)} of ${number(this.found.length)}${all}` : `none${all}`;
      this.back.disabled = first === 0;
      this.next.disabled = last >= this.found.length;
    }

    line(row) {
      const line = make("tr", { class: "row" }, this.columns.map((column, index) => {
        const content = column.show ? column.show(row) : String(column.value(row) ?? "");
        const openable = this.detail && column.opens;
        const inner = openable ? make("button", { type: "button", class: "open", "aria-expanded": "false", onclick: (event) => this.toggle(event.currentTarget, line, row) }, content) : content;
        return make("td", { class: column.text ? "text" : "" }, inner);
      }));
      return line;
    }

    toggle(button, line, row) {
      if (line.nextSibling && line.nextSibling.className === "detail") {
        line.nextSibling.remove();
        button.setAttribute("aria-expanded", "false");
        return;
      }
      line.after(make("tr", { class: "detail" }, make("td", { colspan: this.columns.length }, this.detail(row))));
      button.setAttribute("aria-expanded", "true");
    }
  }

  // ------------------------------------------------------------------ documents
  const documents = new Map(data.documents.map(([id, path, name, size, sha256]) =>
    [id, { id, path, name, size, sha256, cells: data.targets.map(() => []), differences: [] }]));
  for (const cell of data.cells) documents.get(get(cell, "document")).cells[get(cell, "target")].push(cell);
  for (const [id, field, values] of data.differences) documents.get(id).differences.push({ field, values });
  const all = [...documents.values()];

  function outcome(cells) {
    const words = new Set(cells.map((cell) => get(cell, "outcome")));
    return words.size === 0 ? "" : words.size === 1 ? [...words][0] : "mixed";
  }
  const done = (cells) => median(cells.filter((cell) => !get(cell, "interrupted")).map((cell) => get(cell, "seconds_to_done")));
  const words = (row) => row.words ??= [row.path, row.name, row.sha256, ...row.cells.flat().flatMap((cell) =>
    [get(cell, "outcome"), get(cell, "error_message"), get(cell, "error_kind"), get(cell, "vendor_job_id"), get(cell, "vendor_status")])].filter(known).join("\n").toLowerCase();

  const states = [...new Set(data.cells.map((cell) => get(cell, "outcome")))].sort();
  const filters = [
    { label: "outcome", options: [["", "any outcome"], ...states.map((state) => [state, `${state.replace("_", " ")} somewhere`])],
      passes: (row, state) => row.cells.some((cells) => cells.some((cell) => get(cell, "outcome") === state)) },
    { label: "agreement", options: [["", "agreeing or not"], ["apart", "vendors differ"], ["alike", "no difference"]],
      passes: (row, how) => (row.differences.length > 0) === (how === "apart") },
  ];
  const columns = [
    { title: "#", value: (row) => row.id },
    { title: "Document", value: (row) => row.path, text: true, opens: true },
    { title: "Size", value: (row) => row.size, show: (row) => bytes(row.size) },
    ...data.targets.flatMap((target, index) => [
      { title: target, value: (row) => outcome(row.cells[index]), show: (row) => { const word = outcome(row.cells[index]); return word ? chip(word) : ""; } },
      { title: "to done", value: (row) => done(row.cells[index]), show: (row) => seconds(done(row.cells[index])) },
    ]),
    { title: "Differences", value: (row) => row.differences.length },
  ];
  new Grid(document.getElementById("grid"), columns, all, { detail, filters, search: words });

  // ------------------------------------------------------------------ one document
  function detail(row) {
    const parts = [make("p", {}, `${row.path} · ${bytes(row.size)}`, known(row.sha256) ? make("small", {}, ` · SHA-256 ${row.sha256}`) : null)];
    const fields = sideBySide(row);
    if (fields) parts.push(fields);
    parts.push(make("div", { class: "panels" }, data.targets.map((target, index) => panel(row, target, index))));
    return parts;
  }

  const sameName = (name) => name.normalize("NFKC").replace(/([a-z0-9])([A-Z])/g, "$1_$2").replace(/[^\p{L}\p{N}]+/gu, "_").replace(/^_+|_+$/g, "").toLowerCase() || name;

  function resultOf(row, index) {
    const cell = row.cells[index].find((one) => data.details[`${row.id}/${index}/${get(one, "round")}`]);
    return cell ? data.details[`${row.id}/${index}/${get(cell, "round")}`] : null;
  }

  function sideBySide(row) {
    const table = new Map();
    data.targets.forEach((_, index) => {
      const result = resultOf(row, index);
      for (const [name, value, confidence, place] of result ? result.fields : []) {
        const key = sameName(name);
        if (!table.has(key)) table.set(key, data.targets.map(() => []));
        table.get(key)[index].push({ value, confidence, place });
      }
    });
    if (!table.size) return null;
    const apart = new Set(row.differences.map((difference) => difference.field));
    const several = (cells) => cells.filter((cell) => cell.length).length > 1;
    const names = [...table.keys()].sort((a, b) => several(table.get(b)) - several(table.get(a)) || compare(a, b));
    const lines = names.slice(0, 300).map((name) => make("tr", { class: apart.has(name) ? "differs" : "" },
      make("th", { scope: "row" }, name),
      table.get(name).map((cell) => make("td", {}, cell.slice(0, 20).map((one) => make("div", {},
        one.value === "null" ? "" : one.value, " ", make("small", {}, [known(one.confidence) ? number(one.confidence) : "", one.place].filter(known).join(", "))))))));
    return make("details", { open: "" }, make("summary", {}, `fields, side by side: ${names.length}`),
      make("table", {}, make("thead", {}, make("tr", {}, ["Field", ...data.targets].map((word) => make("th", { scope: "col" }, word)))), make("tbody", {}, lines)));
  }

  const FACTS = [
    ["vendor's word", "vendor_status", String], ["error", "error_message", String], ["to accepted", "seconds_to_accepted", seconds],
    ["to done", "seconds_to_done", seconds], ["our queue", "seconds_waiting", seconds], ["sending", "seconds_sending", seconds],
    ["queued there", "vendor_seconds_queued", seconds], ["processing there", "vendor_seconds_processing", seconds],
    ["bytes a second", "bytes_per_second", bytes], ["parts", "parts", number], ["requests", "requests", number], ["retries", "retries", number],
    ["429", "throttled", number], ["other 4xx", "client_errors", number], ["5xx", "server_errors", number], ["no connection", "not_sent", number],
    ["answers lost", "lost_answers", number], ["pages", "pages", number], ["fields", "fields", number], ["texts", "texts", number], ["characters", "characters", number],
    ["tables", "tables", number], ["artifacts", "artifacts", number], ["bytes of results", "result_bytes", bytes], ["credits", "usage_credits", number],
    ["pages billed", "usage_pages", number], ["usage", "usage", String], ["job", "vendor_job_id", String], ["document there", "vendor_document_id", String], ["documents in it", "batch_documents", number],
    ["run", "run_id", String], ["results", "results_note", String],
  ];
  const QUIET = new Set(["retries", "throttled", "client_errors", "server_errors", "not_sent", "lost_answers", "parts", "texts", "characters", "tables", "fields", "artifacts"]);

  function panel(row, target, index) {
    const cells = row.cells[index];
    const body = [make("h4", {}, make("span", { class: `key series-${index % 8}` }), target, cells.length ? chip(outcome(cells)) : null)];
    cells.forEach((cell) => {
      const facts = FACTS.filter(([, name]) => known(get(cell, name)) && !(QUIET.has(name) && get(cell, name) === 0));
      const list = make("dl", {}, facts.flatMap(([title, name, show]) => [make("dt", {}, title), make("dd", {}, show(get(cell, name)))]));
      if (get(cell, "interrupted")) list.append(make("dt", {}, "interrupted"), make("dd", {}, "its times count in no figure"));
      body.push(data.repeat > 1 ? make("details", get(cell, "round") === 1 ? { open: "" } : {}, make("summary", {}, `round ${get(cell, "round")}`), list) : list);
    });
    const result = resultOf(row, index);
    if (result) body.push(...shown(result));
    return make("div", { class: "panel" }, body);
  }

  function shown(result) {
    const parts = [];
    const add = (title, items, show) => {
      if (items.length) parts.push(make("details", {}, make("summary", {}, `${title}: ${number(items.length)}`), items.map(show)));
    };
    add("warnings", result.warnings, (words) => make("div", {}, words));
    add("pieces of text", result.texts, ([kind, text, place]) => make("p", {}, make("small", {}, [kind, place].filter(known).join(", ")), make("br"), text));
    add("tables", result.tables, (rows) => make("table", {}, make("tbody", {}, rows.map((cells) => make("tr", {}, cells.map((cell) => make("td", {}, cell)))))));
    add("artifacts", result.artifacts, ([name, kind, how]) => make("p", {}, name, kind && kind !== name ? ` (${kind})` : "", make("br"), make("small", {}, how)));
    if (result.raw) {
      parts.push(make("details", {}, make("summary", {}, "raw reply of the job"), make("pre", {}, pretty(result.raw))));
    }
    if (!result.whole) parts.push(make("p", {}, make("small", {}, "cut to keep this file small; compare with --results keeps the whole")));
    return parts;
  }

  function pretty(text) {
    try { return JSON.stringify(JSON.parse(text), null, 1); } catch { return `${text}…`; }
  }

  // ------------------------------------------------------------------ other lists
  const refused = data.cells.filter((cell) => get(cell, "outcome") === "refused" && get(cell, "round") === 1);
  const pathOf = (cell) => documents.get(get(cell, "document")).path;
  if (refused.length) new Grid(document.getElementById("refused"), [
    { title: "Document", value: pathOf, text: true },
    { title: "Target", value: (cell) => data.targets[get(cell, "target")], text: true },
    { title: "Why", value: (cell) => get(cell, "error_message"), text: true },
  ], refused, { page: 15, search: (cell) => [pathOf(cell), data.targets[get(cell, "target")], get(cell, "error_message")].join("\n").toLowerCase() });

  const place = document.getElementById("differences");
  if (place) {
    new Grid(place, [
      { title: "Document", value: ([id]) => documents.get(id).path, text: true },
      { title: "Field", value: ([, field]) => field, text: true },
      ...data.targets.map((target, index) => ({ title: target, value: ([, , values]) => values[index], text: true })),
    ], data.differences, { page: 15, search: ([id, field, values]) => [documents.get(id).path, field, ...values].join("\n").toLowerCase() });
  }

  // ------------------------------------------------------------------ on paper: more than a page of rows
  window.addEventListener("beforeprint", () => grids.forEach((grid) => grid.draw(0, PRINTED)));
  window.addEventListener("afterprint", () => grids.forEach((grid) => grid.draw(grid.first, grid.page)));
})();

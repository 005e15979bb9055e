"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => { const found = byId(id); return found ? JSON.parse(found.textContent) : null; };
  const words = read("words");

  const root = document.documentElement;
  byId("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
  });

  const element = (name, text, attributes = {}) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  };
  const gib = (mib) => `${(mib / 1024).toFixed(2)} GiB`;
  const tokens = (count) => count.toLocaleString("en");

  function bar(sizes) {
    const space = "http://www.w3.org/2000/svg";
    const total = Math.max(sizes.reduce((sum, size) => sum + size, 0), 1);
    const svg = document.createElementNS(space, "svg");
    const label = sizes.map((size, index) => size ? `${words.parts[index].name} ${gib(size)}` : "").filter(Boolean);
    for (const [key, value] of Object.entries({
      class: "bar", viewBox: "0 0 1000 40", preserveAspectRatio: "none", role: "img", "aria-label": label.join(", "),
    })) svg.setAttribute(key, value);
    const rect = (x, y, width, height, name, title) => {
      const made = document.createElementNS(space, "rect");
      for (const [key, value] of Object.entries({ x, y, width, height, class: name })) made.setAttribute(key, value);
      const text = document.createElementNS(space, "title");
      text.textContent = title;
      made.append(text);
      svg.append(made);
    };
    let place = 0;
    sizes.forEach((size, index) => {
      const part = words.parts[index];
      if (size) rect(1000 * place / total, 6, 1000 * size / total, 28, `part-${part.key}`, `${part.name}: ${gib(size)}`);
      place += size;
    });
    const before = sizes[0] + sizes[1] + sizes[2] + sizes[3], cache = sizes[4] + sizes[5];
    if (cache) rect(1000 * before / total, 2, 1000 * cache / total, 36, "container", "the container: what vLLM may use for its KV cache");
    return svg;
  }

  const matrix = byId("matrix");
  if (matrix) {
    const rows = [...matrix.tBodies[0].rows];
    const columns = matrix.tHead.rows[0].cells.length - 1;
    rows.forEach((row, index) => { row.dataset.index = index; });
    let chosen = null;

    let cells = null;  // large: read when the first cell is chosen
    const show = (cell) => {
      cells ??= read("cells");
      const row = Number(cell.parentElement.dataset.index), column = cell.cellIndex - 1;
      const [outcome, gpus, context, verdict, reason, message, levers, startable, idle, sizes, hint] =
        cells.cells[row * columns + column];
      const panel = byId("cell");
      panel.replaceChildren(element("h3", `${cells.models[row]} on ${cells.groups[column]}`));
      const what = words.outcomes[outcome];
      panel.append(element("p", `${what.sign} ${what.meaning} ${cells.words[message]}.`));
      if (gpus) {
        const more = cells.words[levers] ? ` Levers: ${cells.words[levers]}.` : "";
        panel.append(element("p",
          `${gpus} GPU${gpus > 1 ? "s" : ""} of each server, context up to ${tokens(context)} tokens, ` +
          `${Math.round(100 * idle)} % of the memory stays idle; the free GPUs hold ${startable} servers now.${more}`));
      }
      if (cells.words[hint]) panel.append(element("p", `Hint: ${cells.words[hint]}`));
      panel.append(element("p", `Verdict ${verdict}, reason ${cells.words[reason]}.`));
      if (sizes) {
        panel.append(bar(sizes));
        const list = element("ul", undefined, { class: "legend" });
        sizes.forEach((size, index) => {
          if (!size) return;
          const item = element("li");
          item.append(element("span", undefined, { class: `swatch part-${words.parts[index].key}` }), `${words.parts[index].name} ${gib(size)}`);
          list.append(item);
        });
        panel.append(list);
      }
    };

    let reachable = matrix.querySelector("td");  // the one cell that Tab reaches
    const reach = (cell) => {
      if (cell === reachable) return;
      if (cell) cell.tabIndex = 0;
      const left = reachable;
      reachable = cell;
      return () => left?.removeAttribute("tabindex");
    };
    if (reachable) reachable.tabIndex = 0;

    const choose = (cell, focus) => {
      chosen?.removeAttribute("aria-selected");
      chosen = cell;
      const leave = reach(cell);
      cell.setAttribute("aria-selected", "true");
      if (focus) { cell.focus({ preventScroll: true }); cell.scrollIntoView({ block: "nearest", inline: "nearest" }); }
      leave?.();  // after the focus has moved: what cannot be focused loses it
      show(cell);
    };

    matrix.addEventListener("click", (event) => {
      const cell = event.target.closest("td");
      if (cell) choose(cell, true);
    });
    matrix.addEventListener("focusin", (event) => {
      if (event.target.tagName === "TD" && event.target !== chosen) choose(event.target, false);
    });
    matrix.addEventListener("keydown", (event) => {
      const cell = event.target.closest("td");
      if (!cell) return;
      const visible = rows.filter((row) => !row.hidden);
      let row = visible.indexOf(cell.parentElement), column = cell.cellIndex;
      switch (event.key) {
        case "ArrowRight": column += 1; break;
        case "ArrowLeft": column -= 1; break;
        case "ArrowDown": row += 1; break;
        case "ArrowUp": row -= 1; break;
        case "PageDown": row += 10; break;
        case "PageUp": row -= 10; break;
        case "Home": column = 1; if (event.ctrlKey) row = 0; break;
        case "End": column = columns; if (event.ctrlKey) row = visible.length - 1; break;
        default: return;
      }
      event.preventDefault();
      row = Math.min(Math.max(row, 0), visible.length - 1);
      column = Math.min(Math.max(column, 1), columns);
      choose(visible[row].cells[column], true);
    });

    const filter = () => {
      const text = byId("matrix-text").value.trim().toLowerCase(), outcome = byId("matrix-outcome").value;
      let shown = 0;
      rows.forEach((row) => {
        const named = row.cells[0].textContent.toLowerCase().includes(text);
        const has = !outcome || row.querySelector(`td.outcome-${outcome}`) !== null;
        row.hidden = !(named && has);
        shown += row.hidden ? 0 : 1;
      });
      if (!reachable || reachable.parentElement.hidden) reach(matrix.querySelector("tbody tr:not([hidden]) td"))?.();
      byId("matrix-count").textContent = `${shown} of ${rows.length} models`;
    };
    byId("matrix-text").addEventListener("input", filter);
    byId("matrix-outcome").addEventListener("change", filter);
    byId("matrix-filters").addEventListener("submit", (event) => event.preventDefault());
  }

  const findings = byId("findings");
  if (findings) {
    const body = findings.tBodies[0], rows = [...body.rows], form = byId("finding-filters");
    const filter = () => {
      const severities = new Set([...form.querySelectorAll("input[name=severity]:checked")].map((box) => box.value));
      const kind = byId("finding-kind").value, text = byId("finding-text").value.trim().toLowerCase();
      let shown = 0;
      rows.forEach((row) => {
        const { severity, kind: own, text: content } = row.dataset;
        row.hidden = !(severities.has(severity) && (!kind || kind === own) && content.includes(text));
        shown += row.hidden ? 0 : 1;
      });
      byId("finding-count").textContent = `${shown} of ${rows.length} findings`;
    };
    form.addEventListener("input", filter);
    form.addEventListener("change", filter);
    form.addEventListener("submit", (event) => event.preventDefault());

    findings.tHead.addEventListener("click", (event) => {
      const button = event.target.closest("button[data-sort]");
      if (!button) return;
      const head = button.parentElement, key = button.dataset.sort;
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of findings.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const sign = down ? -1 : 1;
      rows.sort((one, other) => {
        const [a, b] = [one.dataset[key], other.dataset[key]];
        return sign * (key === "rank" ? a - b : a.localeCompare(b));
      });
      body.append(...rows);
    });
  }
})();

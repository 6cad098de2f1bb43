"use strict";
(() => {
  const SVG = "http://www.w3.org/2000/svg";
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const front = read("front-data");
  const trials = read("trial-data");
  const byId = (id) => document.getElementById(id);

  // Text is only ever set as text: no name can become markup.
  const make = (name, attributes, text) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const draw = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes || {})) element.setAttribute(key, value);
    if (text !== undefined) element.textContent = text;
    return element;
  };

  // The marks of the legend, which come with the page.
  const shapes = {};
  for (const item of document.querySelectorAll("#front .legend .mark")) {
    shapes[item.classList[1]] = item.firstElementChild;
  }
  const order = ["failed", "infeasible", "interrupted", "running", "censored", "stopped", "complete", "front", "dnn", "cnn", "spot"];

  const LEFT = 58, TOP = 14;
  const amount = (v) => (v >= 1000 ? Math.round(v).toLocaleString("en") : v.toPrecision(3));
  const chosen = (name) => document.querySelector(`input[name=${name}]:checked`).value;

  function scale(axis, start, end, log) {
    const by = log ? Math.log : (v) => v;
    const low = by(axis.low), high = by(axis.high);
    return (value) => start + ((end - start) * (by(value) - low)) / (high - low);
  }

  function drawFront() {
    const cost = front.costs.find((c) => c.name === byId("front-cost").value);
    const log = chosen("scale") === "log";
    // Drawn at the size that there is, so that text is readable on a phone too.
    const WIDTH = Math.max(320, byId("front-chart").clientWidth), RIGHT = WIDTH - 16;
    const HEIGHT = WIDTH < 640 ? 380 : 480, BOTTOM = HEIGHT - 86, STRIP = HEIGHT - 62;
    const view = cost[chosen("view")] || cost.all;
    const across = log ? view.log : view.linear;
    const x = scale(across, LEFT, RIGHT, log), y = scale(view.y, BOTTOM, TOP, false);
    const inside = (p) => p.a !== null && p.a >= view.y.low && p.c[cost.name] >= across.low && p.c[cost.name] <= across.high;
    const known = front.points.filter((p) => cost.name in p.c);
    const placed = known.filter(inside);
    const without = known.filter((p) => p.a === null && p.c[cost.name] >= across.low && p.c[cost.name] <= across.high);
    const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "group", "aria-label": `Validation accuracy over ${cost.label}, ${placed.length} trials; arrow keys go from mark to mark, Enter opens one` });
    for (const [value, text] of across.ticks) {
      svg.append(draw("line", { class: "grid", x1: x(value), x2: x(value), y1: TOP, y2: STRIP + 14 }),
        draw("text", { class: "tick", x: x(value), y: STRIP + 30, "text-anchor": "middle" }, text));
    }
    for (const [value, text] of view.y.ticks) {
      svg.append(draw("line", { class: "grid", x1: LEFT, x2: RIGHT, y1: y(value), y2: y(value) }),
        draw("text", { class: "tick", x: LEFT - 7, y: y(value) + 4, "text-anchor": "end" }, text));
    }
    svg.append(draw("line", { class: "axis", x1: LEFT, x2: RIGHT, y1: BOTTOM, y2: BOTTOM }),
      draw("text", { class: "label", x: (LEFT + RIGHT) / 2, y: HEIGHT - 8, "text-anchor": "middle" }, cost.label + (log ? ", log scale" : "")),
      draw("text", { class: "label", x: 12, y: (TOP + BOTTOM) / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${(TOP + BOTTOM) / 2})` }, "validation accuracy (%)"));
    if (without.length) svg.append(draw("text", { class: "tick", x: LEFT - 7, y: STRIP + 4, "text-anchor": "end" }, "none"));
    // The stairs join what is on the front of accuracy against this cost alone.
    const steps = [];
    for (const p of known.filter((q) => q.e).sort((p, q) => p.c[cost.name] - q.c[cost.name] || q.a - p.a)) {
      if (!steps.length || p.a > steps[steps.length - 1].a) steps.push(p);
    }
    if (steps.length) {
      const seen = steps.filter(inside);
      if (seen.length) {
        let path = `M${x(seen[0].c[cost.name])} ${BOTTOM}V${y(seen[0].a)}`;
        for (const p of seen.slice(1)) path += `H${x(p.c[cost.name])}V${y(p.a)}`;
        svg.append(draw("path", { class: "stairs", d: path + `H${RIGHT}` }));
      }
    }
    const marks = placed.map((p) => [p, y(p.a)]).concat(without.map((p) => [p, STRIP]));
    marks.sort(([p], [q]) => order.indexOf(p.k) - order.indexOf(q.k));
    for (const [p, height] of marks) {
      const at = x(p.c[cost.name]);
      const mark = draw("g", { class: `mark ${p.k}`, role: "button", tabindex: "-1", "data-trial": p.n, "aria-label": p.t, transform: `translate(${at.toFixed(1)} ${height.toFixed(1)})` });
      mark.dataset.tip = `${p.t}, ${cost.label} ${amount(p.c[cost.name])}`;
      mark.append(draw("circle", { class: "hit", r: 9 }), shapes[p.k].cloneNode(true));
      svg.append(mark);
    }
    for (const f of front.finalists) {
      if (!(cost.name in f.c) || !inside(f)) continue;
      const low = f.c[cost.name] - f.ce[cost.name], high = f.c[cost.name] + f.ce[cost.name];
      const group = draw("g", { class: "mean", "data-trial": f.n, "data-tip": f.t });
      const first = placed.find((p) => p.n === f.n);
      if (first) group.append(draw("line", { "stroke-dasharray": "1 3", x1: x(first.c[cost.name]), y1: y(first.a), x2: x(f.c[cost.name]), y2: y(f.a) }));
      group.append(
        draw("path", { d: `M${x(Math.max(low, across.low))} ${y(f.a)}H${x(Math.min(high, across.high))}M${x(f.c[cost.name])} ${y(Math.max(f.a - f.e, view.y.low))}V${y(Math.min(f.a + f.e, view.y.high))}` }),
        draw("circle", { cx: x(f.c[cost.name]), cy: y(f.a), r: 3.5 }));
      svg.append(group);
    }
    const chart = byId("front-chart");
    chart.replaceChildren(svg);
    rove(svg);
    const below = known.filter((p) => p.a !== null).length - placed.length;
    const nowhere = front.points.filter((p) => !(cost.name in p.c));
    const words = [];
    if (below) words.push(below === 1 ? "1 further trial lies outside this view." : `${below} further trials lie outside this view.`);
    if (without.length) words.push(`${without.length} without an accuracy are marked below the axis.`);
    if (nowhere.length) words.push(`${nowhere.length} without this cost are not drawn: see Outcomes.`);
    byId("front-note").textContent = words.join(" ");
  }

  // One stop of the Tab key for the whole drawing; arrows go on from there, by cost.
  function rove(svg) {
    const marks = [...svg.querySelectorAll(".mark")];
    const at = (m) => m.transform.baseVal.getItem(0).matrix.e;
    marks.sort((a, b) => at(a) - at(b));
    if (!marks.length) return;
    const first = marks.find((m) => m.classList.contains("spot")) || marks[0];
    first.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (event) => {
      const place = marks.indexOf(event.target);
      const to = { ArrowRight: place + 1, ArrowUp: place + 1, ArrowLeft: place - 1, ArrowDown: place - 1, Home: 0, End: marks.length - 1 }[event.key];
      if (event.key === "Enter" || event.key === " ") { event.preventDefault(); open(event.target.dataset.trial); }
      if (to === undefined || !marks[to]) return;
      event.preventDefault();
      event.target.setAttribute("tabindex", "-1");
      marks[to].setAttribute("tabindex", "0");
      marks[to].focus();
    });
  }

  const tip = byId("tip");
  function showTip(mark, x, y) {
    tip.textContent = mark.dataset.tip;
    tip.hidden = false;
    tip.style.left = Math.max(4, Math.min(x + 14, innerWidth - tip.offsetWidth - 8)) + "px";
    tip.style.top = (y + 18 + tip.offsetHeight > innerHeight ? y - tip.offsetHeight - 10 : y + 18) + "px";
  }
  const chart = byId("front-chart");
  if (chart) {
    chart.addEventListener("pointermove", (event) => {
      const mark = event.target.closest("[data-trial]");
      if (mark) showTip(mark, event.clientX, event.clientY); else tip.hidden = true;
    });
    chart.addEventListener("pointerleave", () => { tip.hidden = true; });
    chart.addEventListener("focusin", (event) => {
      const box = event.target.getBoundingClientRect();
      if (event.target.dataset.trial) showTip(event.target, box.right, box.top);
    });
    chart.addEventListener("focusout", () => { tip.hidden = true; });
    addEventListener("scroll", () => { tip.hidden = true; }, { passive: true });
    byId("front-controls").hidden = false;
    byId("front-controls").addEventListener("change", drawFront);
    let width = chart.clientWidth;
    addEventListener("resize", () => {
      if (chart.clientWidth !== width) { width = chart.clientWidth; drawFront(); }
    });
    if (!front.costs[0].front) document.querySelector("input[name=view][value=all]").checked = true;
    drawFront();
  }

  // A page inside another one, as MLflow shows it, may not touch its address.
  function remember(address) {
    try { history.replaceState(null, "", address); } catch { /* nothing depends on it */ }
  }
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const part = document.querySelector(link.getAttribute("href"));
      part.setAttribute("tabindex", "-1");
      part.focus({ preventScroll: true });
      part.scrollIntoView();
      remember(link.getAttribute("href"));
    });
  }

  const dialog = byId("trial"), body = byId("trial-body");
  function table(head, rows, numbers) {
    const scroll = make("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": head[0] });
    const element = make("table");
    const top = make("tr");
    for (const text of head) top.append(make("th", { scope: "col", class: numbers ? "number" : "" }, text));
    const header = make("thead");
    header.append(top);
    const rest = make("tbody");
    for (const row of rows) {
      const line = make("tr");
      for (const text of row) line.append(make("td", numbers ? { class: "number" } : {}, text === null ? "–" : String(text)));
      rest.append(line);
    }
    element.append(header, rest);
    scroll.append(element);
    return scroll;
  }

  function curve(epochs) {
    const values = epochs.map((e) => e[4]).filter((v) => v !== null);
    if (values.length < 2) return null;
    const low = Math.min(...values), high = Math.max(...values), last = epochs[epochs.length - 1][0], first = epochs[0][0];
    const svg = draw("svg", { viewBox: "0 0 400 120", role: "img", "aria-label": `Validation accuracy from ${(100 * values[0]).toFixed(1)}% to ${(100 * values[values.length - 1]).toFixed(1)}%` });
    const points = epochs.filter((e) => e[4] !== null).map((e) => `${40 + (350 * (e[0] - first)) / Math.max(last - first, 1)},${100 - (85 * (e[4] - low)) / Math.max(high - low, 1e-9)}`);
    svg.append(draw("polyline", { class: "stairs", points: points.join(" ") }),
      draw("text", { class: "tick", x: 34, y: 104, "text-anchor": "end" }, (100 * low).toFixed(1)),
      draw("text", { class: "tick", x: 34, y: 19, "text-anchor": "end" }, (100 * high).toFixed(1)),
      draw("text", { class: "tick", x: 390, y: 118, "text-anchor": "end" }, `epoch ${last}`));
    return svg;
  }

  function pick(number) {
    for (const element of document.querySelectorAll(".picked")) element.classList.remove("picked");
    for (const element of document.querySelectorAll(`svg [data-trial="${number}"]`)) element.classList.add("picked");
  }

  function open(number) {
    const trial = trials.trials[number];
    if (!trial) return;
    tip.hidden = true;
    byId("trial-title").textContent = `Trial ${number}: ${trial.architecture}`;
    body.replaceChildren(make("p", {}, `${trial.kind}; ${trial.outcome.replaceAll("_", " ")}${trial.reason ? ": " + trial.reason : ""}.`));
    body.append(table(["what", "value", "95% interval"], trial.facts));
    const drawing = curve(trial.epochs);
    if (drawing) body.append(make("h3", {}, "Validation accuracy (%)"), drawing);
    const journey = trials.journeys[trial.architecture] || [];
    if (journey.length) body.append(make("h3", {}, "The journey of an image"), table(["layer", "shape", "parameters", "MACs", "why"], journey));
    if (trial.epochs.length) body.append(make("h3", {}, "Epochs"), table(["epoch", "training loss", "accuracy", "validation loss", "accuracy", "seconds"], trial.epochs, true));
    if (trial.details) body.append(make("h3", {}, "Traceback"), make("pre", { tabindex: "0" }, trial.details));
    pick(number);
    if (!dialog.open) dialog.showModal();
    dialog.scrollTop = 0;
    byId("trial-title").focus();
    remember(`#trial-${number}`);
  }

  document.addEventListener("click", (event) => {
    const element = event.target.closest("[data-trial]");
    if (element) open(element.dataset.trial);
    else if (event.target === dialog) dialog.close();
  });
  byId("trial-close").addEventListener("click", () => dialog.close());
  dialog.addEventListener("close", () => remember(location.pathname + location.search));
  const asked = /^#trial-(\d+)$/.exec(location.hash);
  if (asked) open(asked[1]);

  const folded = [];
  addEventListener("beforeprint", () => {
    for (const part of document.querySelectorAll("details:not([open])")) { part.open = true; folded.push(part); }
  });
  addEventListener("afterprint", () => { while (folded.length) folded.pop().open = false; });
})();

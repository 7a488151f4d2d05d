"use strict";
// Draws the figures of the page: side by side or stacked as the page is wide, light or dark as the reader's system is,
// light and narrow on paper. What is drawn is the figure as it was made, but for places, sizes and these colours.
// The library and the figures stand in the page deflated; both are inflated first.
const options = {responsive: true, displaylogo: false, modeBarButtons: [["zoom2d", "pan2d", "resetScale2d"]]};
const NARROW = 760;
const PAPER_WIDTH = 680;
const MARGIN = 130;
// The entries of a key stand three blanks apart; pixels of a letter and of a line of it.
const ENTRIES = "   <span";
const LETTER = 6.2;
const LINE = 16;
const DARK = {
  "#1f2933": "#e4e8eb", "#66727f": "#a7b1bb", "#e8ebee": "#2b343c", "#b8c0c8": "#56626d", "white": "rgba(0, 0, 0, 0)",
};

// A colour for a dark page: those of text and lines have a place of their own, and others that are too dark are lightened.
function onDark(colour) {
  if (DARK[colour] !== undefined) return DARK[colour];
  const hex = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(colour);
  const rgb = /^rgb\((\d+), ?(\d+), ?(\d+)\)$/.exec(colour);
  const parts = hex ? hex.slice(1).map((part) => parseInt(part, 16)) : rgb ? rgb.slice(1).map(Number) : undefined;
  if (parts === undefined) return colour;
  const light = (.2126 * parts[0] + .7152 * parts[1] + .0722 * parts[2]) / 255;
  const mixed = Math.max(.42 - light, 0) * 1.2;
  return `rgb(${parts.map((part) => Math.round(part + (255 - part) * mixed)).join(", ")})`;
}

function recoloured(value) {
  if (typeof value === "string") {
    // Titles carry colours inside their markup.
    const inside = (text) => text.replace(/color:(#[0-9a-f]{6})/g, (_, colour) => `color:${onDark(colour)}`);
    return value.includes("<") ? inside(value) : onDark(value);
  }
  if (Array.isArray(value)) return value.map(recoloured);
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, recoloured(entry)]));
  }
  return value;
}

// Panels of a figure: an x axis and the y axis that it is drawn against, from the top left in reading order.
function panelsOf(layout) {
  const axes = Object.keys(layout).filter((key) => /^xaxis\d*$/.test(key) && !layout[key].overlaying);
  return axes.map((x) => {
    const y = (layout[x].anchor ?? "y").replace("y", "yaxis");
    return {x, y, across: layout[x].domain ?? [0, 1], up: layout[y]?.domain ?? [0, 1]};
  }).sort((a, b) => b.up[1] - a.up[1] || a.across[0] - b.across[0]);
}

// The same figure with its panels below each other, each as high as it was.
function stacked(figure) {
  const layout = structuredClone(figure.layout);
  const data = structuredClone(figure.data);
  const panels = panelsOf(layout);
  const rows = new Set(panels.map((panel) => panel.up[1].toFixed(3))).size;
  if (panels.length === rows) return {data, layout};
  const margin = layout.margin ?? {};
  const around = (margin.t ?? 60) + (margin.b ?? 60);
  const each = Math.max((layout.height - around) / rows, 200);
  const height = each * panels.length + MARGIN * (panels.length - 1);
  panels.forEach((panel, place) => {
    const top = 1 - place * (each + MARGIN) / height;
    panel.to = [Math.max(top - each / height, 0), top];
  });
  const at = (x, y) => panels.find((panel) => x >= panel.across[0] - .02 && x <= panel.across[1] + .02
    && y >= panel.up[0] - .02 && y <= panel.up[1] + .15) ?? panels[0];
  const across = (panel, x) => (x - panel.across[0]) / (panel.across[1] - panel.across[0]);
  const up = (panel, y) => panel.to[0] + (y - panel.up[0]) / (panel.up[1] - panel.up[0]) * (panel.to[1] - panel.to[0]);
  for (const note of layout.annotations ?? []) {
    if (note.xref === "paper" && note.yref === "paper") {
      const panel = at(note.x, note.y);
      note.x = across(panel, note.x);
      note.y = note.y >= panel.up[1] ? panel.to[1] : up(panel, note.y);
    }
  }
  // A bar of colours stands to the right of its panel: above the panel, where nothing is to the right any more.
  for (const bar of [...data.map((trace) => trace.colorbar ?? trace.marker?.colorbar), layout.coloraxis?.colorbar]) {
    if (bar) {
      const panel = panels.filter((other) => other.across[1] <= (bar.x ?? 1) + .02).at(-1) ?? panels.at(-1);
      const middle = (panel.to[0] + panel.to[1]) / 2;
      Object.assign(bar, {x: 1, xanchor: "left", y: middle, len: panel.to[1] - panel.to[0], thickness: 8});
    }
  }
  for (const panel of panels) {
    layout[panel.x].domain = [0, 1];
    layout[panel.y].domain = panel.to;
  }
  layout.height = height + around;
  return {data, layout};
}

// Keys that are wider than their panel would run into that of the next: their entries go below each other.
function fitted({data, layout}, width) {
  const panels = panelsOf(layout);
  const {l = 70, r = 20} = layout.margin ?? {};
  let lines = 0;
  for (const note of layout.annotations ?? []) {
    if (!note.text?.includes(ENTRIES)) continue;
    const panel = panels.find(({across}) => Math.abs(across[0] - note.x) < .02) ?? panels[0];
    const key = note.text.split("<br>").at(-1).replace(/<[^>]*>/g, "").replace(/&\w+;/g, "x");
    if (key.length * LETTER <= (panel.across[1] - panel.across[0]) * (width - l - r)) continue;
    lines = Math.max(lines, note.text.split(ENTRIES).length - 1);
    note.text = note.text.replaceAll(ENTRIES, "<br><span");
  }
  layout.margin = {...layout.margin, t: (layout.margin?.t ?? 60) + LINE * lines};
  layout.height += LINE * lines;
  return {data, layout};
}

// What only a narrow page needs: room for labels, and keys and legends below each other.
function narrowed({data, layout}) {
  for (const note of layout.annotations ?? []) {
    if (note.text) note.text = note.text.replaceAll(ENTRIES, "<br><span");
  }
  for (const [key, axis] of Object.entries(layout)) {
    if (!/^yaxis\d*$/.test(key)) continue;
    axis.automargin = true;
    // Labels that a neighbour on the left had shown for both.
    const shared = layout[axis.matches?.replace("y", "yaxis")];
    if (shared && shared.showticklabels !== false && axis.showticklabels === false) axis.showticklabels = true;
  }
  const lines = Math.max(0, ...(layout.annotations ?? []).map((note) => (note.text?.match(/<br>/g) ?? []).length));
  const names = data.filter((trace) => trace.showlegend !== false && trace.name).length;
  const legend = names && layout.showlegend !== false ? 22 * Math.ceil(names / 2) + 14 : 0;
  const margin = {t: 60, b: 60, ...layout.margin, l: 54, r: 12};
  margin.t += LINE * Math.max(lines - 1, 0);
  margin.b += legend;
  layout.height += LINE * Math.max(lines - 1, 0) + legend;
  return {data, layout: {...layout, margin}};
}

function drawn(id, figure, {dark, narrow, width}) {
  const element = document.getElementById("plot-" + id);
  let shown = narrow ? narrowed(stacked(figure)) : fitted(structuredClone(figure), element.clientWidth);
  if (dark) {
    shown = recoloured(shown);
    shown.layout.template.layout.hoverlabel.bgcolor = "#20272d";
    for (const shape of shown.layout.shapes ?? []) if (shape.fillcolor) shape.fillcolor = "rgba(255, 255, 255, .08)";
  }
  shown.layout.autosize = width === undefined;
  if (width !== undefined) shown.layout.width = width;
  element.style.height = shown.layout.height + "px";
  return Plotly.react(element, shown.data, shown.layout, options);
}

const prefersDark = window.matchMedia("(prefers-color-scheme: dark)");
const isNarrow = window.matchMedia(`(max-width: ${NARROW}px)`);

async function inflated(id) {
  const packed = Uint8Array.from(atob(document.getElementById(id).textContent), (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

function draw(figures, onPaper) {
  const how = onPaper
    ? {dark: false, narrow: true, width: PAPER_WIDTH}
    : {dark: prefersDark.matches, narrow: isNarrow.matches, width: undefined};
  return Promise.all(Object.entries(figures).map(([id, {figure}]) => drawn(id, figure, how)));
}

// A figure as a file: as a picture on white, whatever the page looks like, or its numbers as a table.
function take(id, {figure, csv}, format) {
  if (format !== "csv") {
    const {width} = document.getElementById("plot-" + id).getBoundingClientRect();
    const {data, layout} = fitted(structuredClone(figure), width);
    return Plotly.downloadImage({data, layout}, {format, filename: id, width, height: layout.height, scale: format === "png" ? 2 : 1});
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv], {type: "text/csv"}));
  link.download = id + ".csv";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

async function begin() {
  const library = document.createElement("script");
  library.textContent = await inflated("library");
  document.head.append(library);
  const figures = JSON.parse(await inflated("figures"));
  for (const line of document.querySelectorAll(".take")) {
    line.hidden = false;
    line.addEventListener("click", ({target}) => {
      if (target.dataset.format) take(line.dataset.figure, figures[line.dataset.figure], target.dataset.format);
    });
  }
  await draw(figures, false);
  prefersDark.addEventListener("change", () => draw(figures, false));
  isNarrow.addEventListener("change", () => draw(figures, false));
  window.addEventListener("beforeprint", () => draw(figures, true));
  window.addEventListener("afterprint", () => draw(figures, false));
}

// Where a browser cannot inflate them, the words for readers who cannot see figures stand in their place.
function inWords() {
  for (const plot of document.querySelectorAll(".plot")) {
    plot.style.height = "auto";
    plot.textContent = plot.getAttribute("aria-label");
  }
}

// An answer leads to evidence that is folded: it is opened, and all of it on paper.
function unfold() {
  const target = document.getElementById(location.hash.slice(1));
  if (target?.tagName === "DETAILS") target.open = true;
}

unfold();
window.addEventListener("hashchange", unfold);
window.addEventListener("beforeprint", () => document.querySelectorAll(".finding").forEach((finding) => { finding.open = true; }));
if (document.getElementById("library")) {
  if (typeof DecompressionStream === "undefined") inWords();
  else begin();
}

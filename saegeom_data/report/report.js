"use strict";
// Draws the figures of the page: laid out as the page is wide, light or dark as the reader's system is, light and narrow
// on paper. What is drawn is the figure as it was made, but for places, sizes and these colours.
// The library and the figures stand in the page deflated; both are inflated first.
const PAPER_WIDTH = 680;
// What the page leaves free at the sides of figures, as report.css says.
const BESIDE = 56;
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

function drawn(id, figure, {dark, narrow, width}) {
  const element = document.getElementById("plot-" + id);
  let shown = laidOut(figure, element.clientWidth, narrow);
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
const isNarrow = window.matchMedia(`(max-width: ${NARROW + BESIDE}px)`);

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
    const {data, layout} = laidOut(figure, width, false);
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
  whenWidthChanges(() => draw(figures, false));
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

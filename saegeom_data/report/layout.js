"use strict";
// Places what is drawn of a figure for the width that it has: panels side by side or below each other, and keys in one line
// or several. Reports and pages of the guide share it.
const options = {responsive: true, displaylogo: false, modeBarButtons: [["zoom2d", "pan2d", "resetScale2d"]]};
const NARROW = 704;
const MARGIN = 130;
// The entries of a key stand three blanks apart; pixels of a letter, of one of a title, of wide labels, of a line of a key.
const ENTRIES = "   <span";
const LETTER = 6.2;
const TITLE_LETTER = 8.1;
const WIDE = 100;
const LINE = 16;
// What theme.figure leaves above panels that have a title and a key of one line.
const ABOVE = 66;
// How long a page has to keep its width before its figures are laid out anew, in milliseconds.
const STILL = 150;

// Panels of a figure: an x axis and the y axis that it is drawn against, from the top left in reading order.
function panelsOf(layout) {
  const axes = Object.keys(layout).filter((key) => /^xaxis\d*$/.test(key) && !layout[key].overlaying);
  return axes.map((x) => {
    const y = (layout[x].anchor ?? "y").replace("y", "yaxis");
    return {x, y, across: layout[x].domain ?? [0, 1], up: layout[y]?.domain ?? [0, 1]};
  }).sort((a, b) => b.up[1] - a.up[1] || a.across[0] - b.across[0]);
}

const bare = (text) => String(text).replace(/<[^>]*>/g, "").replace(/&\w+;/g, "x");
const isTitle = (note) => note.xref === "paper" && note.text?.startsWith("<b>");
const breaksOf = (note) => note.text?.match(/<br>/g)?.length ?? 0;

// Labels beside an axis that are words, which may be as wide as they like.
function wordsOf({data, layout}, y) {
  const axis = layout[y] ?? {};
  if (axis.showticklabels === false) return [];
  const own = data.filter((trace) => (trace.yaxis ?? "y") === y.replace("axis", ""));
  const labels = axis.ticktext ?? own.flatMap((trace) => Array.isArray(trace.y) ? trace.y : []);
  return labels.filter((label) => typeof label === "string").map(bare);
}

// Whether panels are too near each other: labels of one reach into its neighbour, or a title is wider than its panel.
function crowded(figure, width) {
  const {l = 70, r = 20} = figure.layout.margin ?? {};
  const inner = width - l - r;
  const panels = panelsOf(figure.layout);
  return panels.some(({y, across, up}) => {
    const beside = panels.filter((other) => other.up[1] === up[1]);
    const left = Math.max(...beside.map((other) => other.across[1]).filter((end) => end <= across[0]));
    const next = Math.min(...beside.map((other) => other.across[0]).filter((start) => start >= across[1]));
    const longest = Math.max(0, ...wordsOf(figure, y).map((label) => label.length));
    const title = (figure.layout.annotations ?? []).find((note) => isTitle(note)
      && Math.abs(note.x - across[0]) < .02 && Math.abs(note.y - up[1]) < .02);
    const room = Number.isFinite(next) ? (next - across[0]) * inner : (1 - across[0]) * inner + r;
    return (Number.isFinite(left) && longest * LETTER + 12 > (across[0] - left) * inner)
      || (title !== undefined && bare(title.text.split("<br>")[0]).length * TITLE_LETTER > room);
  });
}

// Room for labels of axes, also for those of y axes that a neighbour on the left had shown for both.
function labelled(layout) {
  for (const [key, axis] of Object.entries(layout)) {
    if (!/^[xy]axis\d*$/.test(key)) continue;
    axis.automargin = true;
    const shared = layout[axis.matches?.replace("y", "yaxis")];
    if (shared && shared.showticklabels !== false && axis.showticklabels === false) axis.showticklabels = true;
  }
}

// The same figure with its panels below each other, each as high as it was; keys may be in one line or each entry in one.
function stacked(figure, isBroken) {
  const layout = structuredClone(figure.layout);
  const data = structuredClone(figure.data);
  labelled(layout);
  const panels = panelsOf(layout);
  const rows = new Set(panels.map((panel) => panel.up[1].toFixed(3))).size;
  if (panels.length === rows) return {data, layout};
  const margin = layout.margin ?? {};
  const around = (margin.t ?? 60) + (margin.b ?? 60);
  const each = Math.max((layout.height - around) / rows, 200);
  const entries = (note) => note.text?.split(ENTRIES).length - 1 || 0;
  const lines = Math.max(0, ...(layout.annotations ?? []).map((note) => breaksOf(note) - 1 + (isBroken ? entries(note) : 0)));
  const between = MARGIN + LINE * lines;
  const height = each * panels.length + between * (panels.length - 1);
  panels.forEach((panel, place) => {
    const top = 1 - place * (each + between) / height;
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
    const key = bare(note.text.split("<br>").at(-1));
    if (key.length * LETTER <= (panel.across[1] - panel.across[0]) * (width - l - r)) continue;
    lines = Math.max(lines, note.text.split(ENTRIES).length - 1);
    note.text = note.text.replaceAll(ENTRIES, "<br><span");
  }
  layout.margin = {...layout.margin, t: (layout.margin?.t ?? 60) + LINE * lines};
  layout.height += LINE * lines;
  return {data, layout};
}

// What only a narrow page needs: keys and legends below each other.
function narrowed({data, layout}) {
  for (const note of layout.annotations ?? []) {
    if (note.text) note.text = note.text.replaceAll(ENTRIES, "<br><span");
  }
  // Titles begin at their panels, which wide labels leave little room: they end at the right then.
  const longest = Math.max(0, ...panelsOf(layout).flatMap(({y}) => wordsOf({data, layout}, y)).map((label) => label.length));
  if (longest * LETTER > WIDE) {
    for (const note of layout.annotations ?? []) if (isTitle(note)) Object.assign(note, {x: 1, xanchor: "right"});
  }
  const lines = Math.max(0, ...(layout.annotations ?? []).map(breaksOf));
  const names = data.filter((trace) => trace.showlegend !== false && trace.name).length;
  const legend = names && layout.showlegend !== false ? 22 * Math.ceil(names / 2) + 14 : 0;
  const margin = {t: 60, b: 60, ...layout.margin, l: 54, r: 12};
  const top = Math.max(margin.t, lines > 1 ? ABOVE + LINE * (lines - 1) : 0);
  layout.height += top - margin.t + legend;
  margin.t = top;
  margin.b += legend;
  return {data, layout: {...layout, margin}};
}

// The figure as it is drawn at a width, of which nothing is changed in the figure itself.
function laidOut(figure, width, isNarrow = width < NARROW) {
  if (isNarrow) return narrowed(stacked(figure, true));
  return fitted(crowded(figure, width) ? stacked(figure, false) : structuredClone(figure), width);
}

// A bar of addresses that comes and goes changes the height alone.
function whenWidthChanges(action) {
  let width = window.innerWidth;
  let waiting;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(waiting);
    waiting = setTimeout(action, STILL);
  });
}

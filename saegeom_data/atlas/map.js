// The map: what part of it is seen, what the pointer and the keys do, and marks drawn upon the points.

const OFF = 65535; // both coordinates of a feature that is off the map
const GRID = 65535;
const MOST_ZOOM = 400;

const view = {
  x: 0.5, y: 0.5, zoom: 1, width: 1, height: 1, ratio: 1, scale: 1, radius: 3,
  left: (x) => (x / GRID - view.x) * view.scale + view.width / 2,
  top: (y) => view.height / 2 - (y / GRID - view.y) * view.scale,
};
let points = null;
let cells = null;
let hovered = -1;
let isDue = false;

const isOn = (i) => state.picture.x[i] !== OFF || state.picture.y[i] !== OFF;

function beginMap() {
  points = webglPoints($("points")) ?? canvasPoints(renewed($("points")));
  $("map").dataset.drawn = points.name;
  new ResizeObserver(resize).observe($("map"));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  listenToPointer($("marks"));
  $("marks").addEventListener("keydown", onMapKey);
  $("in").addEventListener("click", () => zoomBy(1.6));
  $("out").addEventListener("click", () => zoomBy(1 / 1.6));
  $("all").addEventListener("click", showAll);
  resize();
}

// A canvas that was asked for WebGL2 in vain may give no other context.
function renewed(canvas) {
  const other = canvas.cloneNode();
  canvas.replaceWith(other);
  return other;
}

function setMap() {
  const { x, y, size } = state.picture;
  points.setPlaces(x, y, size ?? new Uint8Array(x.length).fill(120));
  points.setSlots(slotOfEach());
  cells = null;
  hovered = -1;
  showAll();
}

function recolour() {
  points.setSlots(slotOfEach());
  redraw();
}

function resize() {
  const box = $("map").getBoundingClientRect();
  view.width = Math.max(1, box.width);
  view.height = Math.max(1, box.height);
  view.ratio = Math.min(2, window.devicePixelRatio || 1);
  for (const canvas of [$("points"), $("marks")]) {
    canvas.width = Math.round(view.width * view.ratio);
    canvas.height = Math.round(view.height * view.ratio);
  }
  if (state.picture) redraw();
}

function redraw() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    if (state.picture) draw();
  });
}

function draw() {
  const n = state.sae.n;
  const side = Math.min(view.width, view.height);
  view.scale = 0.92 * side * view.zoom;
  // As large as fits between neighbours, if features lay evenly; growing more slowly than the map.
  const room = Math.sqrt((view.width * view.height) / Math.max(1, n));
  view.radius = Math.max(0.6, Math.min(5, 0.17 * room)) * Math.min(4, Math.sqrt(view.zoom));
  points.draw(view, palette());
  drawMarks();
  if (!performance.getEntriesByName("first picture").length) performance.mark("first picture");
  $("busy").hidden = true;
}

function drawMarks() {
  const pen = $("marks").getContext("2d");
  pen.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  pen.clearRect(0, 0, view.width, view.height);
  const ink = cssColour("--ink");
  const page = cssColour("--page");
  state.hits.forEach((feature) => ring(pen, feature, 3, ink, 1.5));
  if (state.picked >= 0 && isOn(state.picked)) {
    lines(pen, ink);
    ring(pen, state.picked, 6, page, 5);
    ring(pen, state.picked, 6, ink, 2.5);
  }
  if (hovered >= 0) ring(pen, hovered, 4, ink, 1.5);
  nameSome(pen, ink, page);
}

const placeOf = (feature) => [view.left(state.picture.x[feature]), view.top(state.picture.y[feature])];

function ring(pen, feature, more, colour, width) {
  if (!isOn(feature)) return;
  pen.beginPath();
  pen.arc(...placeOf(feature), view.radius + more, 0, 7);
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.stroke();
}

// From the picked feature to its neighbours by cosine.
function lines(pen, ink) {
  pen.strokeStyle = ink;
  pen.lineWidth = 1;
  pen.globalAlpha = 0.55;
  for (const [other] of neighboursOf("cosine", state.picked)) {
    if (!isOn(other)) continue;
    pen.beginPath();
    pen.moveTo(...placeOf(state.picked));
    pen.lineTo(...placeOf(other));
    pen.stroke();
  }
  pen.globalAlpha = 1;
}

// Words beside features, those on most first, where they have room and few features are in view.
function nameSome(pen, ink, page) {
  if (!state.rest || view.zoom < 2) return;
  const seen = inView(600).sort((a, b) => (state.picture.size?.[b] ?? 0) - (state.picture.size?.[a] ?? 0) || a - b);
  const taken = [];
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  pen.textBaseline = "middle";
  for (const feature of seen) {
    if (taken.length >= 40) break;
    const words = short(wordsOf(feature), 28) || `${feature}`;
    const [left, top] = placeOf(feature);
    const box = [left + view.radius + 4, top - 8, left + view.radius + 8 + pen.measureText(words).width, top + 8];
    if (box[2] > view.width - 4 || box[1] < 0 || box[3] > view.height) continue;
    if (taken.some((other) => box[0] < other[2] && other[0] < box[2] && box[1] < other[3] && other[1] < box[3])) continue;
    taken.push(box);
    pen.strokeStyle = page;
    pen.lineWidth = 4;
    pen.lineJoin = "round";
    pen.strokeText(words, box[0], top);
    pen.fillStyle = ink;
    pen.fillText(words, box[0], top);
  }
}

const short = (text, most) => ([...text].length > most ? `${[...text].slice(0, most - 1).join("")}…` : text);

// Features in view, or none if there are more than so many.
function inView(most) {
  const [halfX, halfY] = [view.width / view.scale / 2, view.height / view.scale / 2];
  const found = [];
  visit(view.x - halfX, view.y - halfY, view.x + halfX, view.y + halfY, (i) => found.push(i) > most);
  return found.length > most ? [] : found;
}

// Cells of a square grid with the features in them, one after the other, made when they are first asked for.
function grid() {
  if (cells) return cells;
  const { x, y } = state.picture;
  const side = Math.max(1, Math.min(1024, Math.ceil(Math.sqrt(x.length / 2))));
  const cellOf = (i) => Math.min(side - 1, Math.floor((y[i] / GRID) * side)) * side + Math.min(side - 1, Math.floor((x[i] / GRID) * side));
  const counts = new Uint32Array(side * side);
  for (let i = 0; i < x.length; i++) if (isOn(i)) counts[cellOf(i)]++;
  const start = startsOf(counts, counts.length);
  const next = start.slice();
  const order = new Uint32Array(start[counts.length]);
  for (let i = 0; i < x.length; i++) if (isOn(i)) order[next[cellOf(i)]++] = i;
  return (cells = { side, start, order });
}

// Call for each feature in a rectangle of the map, until a call returns true.
function visit(left, low, right, high, call) {
  const { side, start, order } = grid();
  const { x, y } = state.picture;
  const cell = (value) => Math.max(0, Math.min(side - 1, Math.floor(value * side)));
  for (let row = cell(low); row <= cell(high); row++) {
    for (let at = start[row * side + cell(left)]; at < start[row * side + cell(right) + 1]; at++) {
      const i = order[at];
      if (x[i] < left * GRID || x[i] > right * GRID || y[i] < low * GRID || y[i] > high * GRID) continue;
      if (call(i)) return;
    }
  }
}

function featureAt(left, top) {
  const reach = (view.radius + 6) / view.scale;
  const [x, y] = [view.x + (left - view.width / 2) / view.scale, view.y + (view.height / 2 - top) / view.scale];
  let [best, least] = [-1, reach];
  visit(x - reach, y - reach, x + reach, y + reach, (i) => {
    if (state.only >= 0 && members()[i] !== state.only) return;
    const distance = Math.hypot(state.picture.x[i] / GRID - x, state.picture.y[i] / GRID - y);
    if (distance < least) [best, least] = [i, distance];
  });
  return best;
}

function showAll() {
  Object.assign(view, { x: 0.5, y: 0.5, zoom: 1 });
  redraw();
}

// The picked feature, if it is in view, else the middle: what stays where it is when buttons and keys zoom.
function fixedPlace() {
  const [left, top] = state.picked >= 0 && isOn(state.picked) ? placeOf(state.picked) : [-1, -1];
  const isSeen = left >= 0 && top >= 0 && left <= view.width && top <= view.height;
  return isSeen ? [left, top] : [view.width / 2, view.height / 2];
}

// Zoom so that what lies under a place of the canvas stays there.
function zoomBy(factor, [left, top] = fixedPlace()) {
  const zoom = Math.max(0.6, Math.min(MOST_ZOOM, view.zoom * factor));
  const scale = (view.scale * zoom) / view.zoom;
  view.x += (left - view.width / 2) * (1 / view.scale - 1 / scale);
  view.y += (view.height / 2 - top) * (1 / view.scale - 1 / scale);
  view.zoom = zoom;
  view.scale = scale;
  redraw();
}

function panBy(right, down) {
  view.x -= right / view.scale;
  view.y += down / view.scale;
  redraw();
}

// Bring a feature into the middle, if it is not well in view.
function reveal(feature) {
  if (feature < 0 || !isOn(feature)) return;
  const [left, top] = placeOf(feature);
  const isSeen = left > 40 && top > 40 && left < view.width - 40 && top < view.height - 40;
  if (isSeen && view.zoom > 1) return;
  if (!isSeen) [view.x, view.y] = [state.picture.x[feature] / GRID, state.picture.y[feature] / GRID];
  redraw();
}

function listenToPointer(canvas) {
  const held = new Map(); // pointers that are down, by id
  let moved = 0;
  const at = (event) => [event.offsetX, event.offsetY];
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    held.set(event.pointerId, at(event));
    moved = held.size > 1 ? 99 : 0;
  });
  canvas.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return hover(...at(event));
    const [left, top] = at(event);
    if (held.size === 2) {
      const other = [...held].find(([id]) => id !== event.pointerId)[1];
      const spread = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]) || 1;
      zoomBy(spread([left, top]) / spread(before), [(left + other[0]) / 2, (top + other[1]) / 2]);
    } else {
      moved += Math.abs(left - before[0]) + Math.abs(top - before[1]);
      if (moved > 4) panBy(left - before[0], top - before[1]);
    }
    held.set(event.pointerId, [left, top]);
  });
  const release = (event) => {
    if (held.delete(event.pointerId) && event.type === "pointerup" && moved <= 4) go(featureAt(...at(event)));
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("pointerleave", () => hover(-1e4, -1e4));
  canvas.addEventListener("dblclick", (event) => zoomBy(2, at(event)));
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / (event.deltaMode ? 20 : 400)), at(event));
  }, { passive: false });
}

function hover(left, top) {
  if (!state.picture) return;
  const found = featureAt(left, top);
  $("marks").style.cursor = found >= 0 ? "pointer" : "grab";
  if (found === hovered) return;
  hovered = found;
  const tip = $("tip");
  tip.hidden = found < 0;
  if (found >= 0) {
    tip.replaceChildren(...tipOf(found));
    const [x, y] = placeOf(found);
    tip.style.left = `${Math.max(4, Math.min(x + 12, view.width - tip.offsetWidth - 6))}px`;
    tip.style.top = `${y + 14 + tip.offsetHeight > view.height ? y - 14 - tip.offsetHeight : y + 14}px`;
  }
  redraw();
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

function onMapKey(event) {
  const arrow = ARROWS[event.key];
  if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  if (event.shiftKey) panBy(-60 * arrow[0], 60 * arrow[1]);
  else go(nextTowards(...arrow), true);
}

// The nearest feature that lies more that way than aside; from the middle of the view if none is picked.
function nextTowards(right, up) {
  const { x, y } = state.picture;
  const from = state.picked >= 0 && isOn(state.picked) ? [x[state.picked], y[state.picked]] : [view.x * GRID, view.y * GRID];
  let [best, least] = [state.picked, Infinity];
  for (let i = 0; i < x.length; i++) {
    if (i === state.picked || !isOn(i) || (state.only >= 0 && members()[i] !== state.only)) continue;
    const [dx, dy] = [x[i] - from[0], y[i] - from[1]];
    const along = dx * right + dy * up;
    const aside = Math.abs(dx * up) + Math.abs(dy * right);
    const distance = along + 2 * aside;
    if (along > 0 && aside <= along && distance < least) [best, least] = [i, distance];
  }
  return best;
}

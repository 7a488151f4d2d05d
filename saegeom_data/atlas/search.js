// Search: a number goes to that feature; else all labels and tokens are looked through for the words as typed.

const MOST_LISTED = 40;
const MOST_MARKED = 2000;
let index = null; // one long text of all names, one line per feature, and where the lines begin
let chosen = -1;

function beginSearch() {
  const query = $("query");
  query.addEventListener("input", () => list(find(query.value)));
  query.addEventListener("keydown", onSearchKey);
  query.addEventListener("focus", () => query.value && list(find(query.value)));
  document.addEventListener("pointerdown", (event) => {
    if (!event.target.closest(".finder")) closeHits();
  });
}

// Another SAE has other names.
function forgetSearch() {
  index = null;
  $("query").value = "";
  closeHits();
}

// Lower case and tokens without their marks, so that a word is found however it is written.
function searchable() {
  if (index) return index;
  const lines = [];
  for (let i = 0; i < state.sae.n; i++) {
    const rest = state.rest;
    const labels = rest.labelStart ? rest.label.slice(rest.labelStart[i], rest.labelStart[i + 1]) : [];
    lines.push([...labels, ...tokensOf(i).map(plain)].join("\t"));
  }
  const text = `\n${lines.join("\n").toLowerCase()}\n`;
  const start = new Uint32Array(lines.length);
  for (let i = 0, at = 0; i < lines.length; i++) (start[i] = at), (at = text.indexOf("\n", at + 1));
  return (index = { text, start, isEmpty: !/[^\n]/.test(text) });
}

// Features found, those that are called so first, then whole words, then beginnings of words; and how many there are in all.
function find(typed) {
  const wanted = typed.trim().toLowerCase();
  if (!wanted || !state.rest) return { features: [], count: 0 };
  const numbered = /^#?(\d+)$/.exec(wanted);
  const first = numbered && Number(numbered[1]) < state.sae.n ? [Number(numbered[1])] : [];
  const { text, start } = searchable();
  const [named, whole, begins, within] = [[], [], [], []];
  let count = 0;
  for (let at = text.indexOf(wanted); at >= 0; ) {
    const line = lineAt(start, at);
    if (line !== first[0]) {
      count++;
      const isWhole = !isWord(text[at - 1]) && !isWord(text[at + wanted.length]);
      const kind = isWhole ? (text[at - 1] === "\n" ? named : whole) : isWord(text[at - 1]) ? within : begins;
      if (kind.length < MOST_MARKED) kind.push(line);
    }
    // One hit for each feature: on from its end.
    const end = line + 1 < start.length ? start[line + 1] : text.length;
    at = text.indexOf(wanted, end);
  }
  return { features: [...first, ...named, ...whole, ...begins, ...within], count: count + first.length };
}

const isWord = (sign) => sign !== undefined && /[\p{L}\p{N}]/u.test(sign);

// The last line that begins at or before a place.
function lineAt(start, at) {
  let [low, high] = [0, start.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (start[middle] <= at) low = middle;
    else high = middle - 1;
  }
  return low;
}

function list({ features, count }) {
  const hits = $("hits");
  const typed = $("query").value.trim();
  state.hits = features.slice(0, MOST_MARKED);
  chosen = -1;
  const items = features.slice(0, MOST_LISTED).map((feature, place) => {
    const item = el("li", { id: `hit-${place}`, role: "option", "aria-selected": "false" }, dot(feature), el("span", { class: "number" }, `${feature}`), bdi(short(wordsOf(feature), 90)));
    item.addEventListener("pointerdown", (event) => {
      event.preventDefault();
      take(feature);
    });
    item.dataset.feature = feature;
    return item;
  });
  if (typed) items.push(el("li", { class: "count", role: "presentation" }, counted(count)));
  hits.replaceChildren(...items);
  hits.hidden = !typed;
  $("query").setAttribute("aria-expanded", String(!hits.hidden));
  $("query").removeAttribute("aria-activedescendant");
  if (typed) say(counted(count));
  redraw();
}

function counted(count) {
  if (!state.rest) return "Unpacking names …";
  if (count) return count > MOST_LISTED ? `${count.toLocaleString("en")} features found, the first ${MOST_LISTED} listed` : `${count} ${count === 1 ? "feature" : "features"} found`;
  return searchable().isEmpty ? "This SAE has neither labels nor tokens: search by number" : "Nothing found";
}

function onSearchKey(event) {
  const items = [...$("hits").querySelectorAll("[role=option]")];
  if (event.key === "Escape") {
    event.stopPropagation();
    forgetHits();
  } else if (event.key === "Enter") {
    const item = items[Math.max(0, chosen)];
    if (item) take(Number(item.dataset.feature));
  } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && items.length) {
    event.preventDefault();
    items[chosen]?.setAttribute("aria-selected", "false");
    chosen = (chosen + (event.key === "ArrowDown" ? 1 : items.length - (chosen < 0 ? 0 : 1))) % items.length;
    items[chosen].setAttribute("aria-selected", "true");
    items[chosen].scrollIntoView({ block: "nearest" });
    $("query").setAttribute("aria-activedescendant", items[chosen].id);
  }
}

function take(feature) {
  closeHits();
  go(feature);
  $("panel").focus({ preventScroll: true });
}

function closeHits() {
  $("hits").hidden = true;
  $("query").setAttribute("aria-expanded", "false");
}

function forgetHits() {
  $("query").value = "";
  state.hits = [];
  closeHits();
  redraw();
}

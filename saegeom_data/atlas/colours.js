// Colours of groups, from the style sheet, so that light and dark have their own.

const N_COLOURS = 8;

function cssColour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function rgb(name) {
  const hex = cssColour(name).slice(1);
  return [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);
}

// Eight colours, that of groups beyond them, and that of features in no group.
const palette = () => [...Array(N_COLOURS).keys()].map((i) => rgb(`--c${i}`)).concat([rgb("--rest"), rgb("--none")]);

// The place in the palette of each group: the largest ones have colours of their own.
function slots(index) {
  const found = state.picture.groupings[index];
  if (found.slots) return found.slots;
  const counts = new Uint32Array(found.parts.length);
  for (const member of members(index)) if (member < counts.length) counts[member]++;
  const order = [...counts.keys()];
  if (counts.length > N_COLOURS) order.sort((a, b) => counts[b] - counts[a] || a - b);
  found.counts = counts;
  found.slots = new Uint8Array(counts.length).fill(N_COLOURS);
  order.slice(0, N_COLOURS).forEach((group, place) => (found.slots[group] = place));
  return found.slots;
}

// For each feature its place in the palette, with 128 added where another group is shown alone.
function slotOfEach() {
  const n = state.sae.n;
  const each = new Uint8Array(n);
  if (!grouping()) return each;
  const place = slots(state.colour);
  const group = members();
  for (let i = 0; i < n; i++) {
    each[i] = group[i] < place.length ? place[group[i]] : N_COLOURS + 1;
    if (state.only >= 0 && group[i] !== state.only) each[i] += 128;
  }
  return each;
}

function swatch(feature, index = state.colour) {
  if (!state.picture.groupings[index]) return "var(--c0)";
  const place = slots(index);
  const group = members(index)[feature];
  return swatchOf(group < place.length ? place[group] : N_COLOURS + 1);
}

const swatchOf = (slot) => `var(${slot < N_COLOURS ? `--c${slot}` : slot === N_COLOURS ? "--rest" : "--none"})`;

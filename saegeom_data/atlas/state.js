// What is shown, and who wants to know when it changes.

const facts = JSON.parse(document.getElementById("facts").textContent);
const $ = (id) => document.getElementById(id);

const state = {
  place: -1, // of the SAE among those of the page
  sae: null, // what is known of it before its parts are unpacked
  picture: null, // places, sizes and groups
  rest: null, // all else; null until it is unpacked
  colour: 0, // grouping that colours the map; -1 for none
  only: -1, // group of it that is shown alone; -1 for all
  picked: -1, // feature that the panel is about; -1 for none
  hits: [], // features found by the search
};

const listeners = {};
const on = (what, listener) => (listeners[what] ??= []).push(listener);
const tell = (what) => (listeners[what] ?? []).forEach((listener) => listener());

const grouping = () => state.picture?.groupings[state.colour] ?? null;
const members = (index = state.colour) => state.picture[`group${index}`];
const known = new Map();

// An SAE is unpacked once and kept: its picture first, the rest when the picture is drawn.
function partOf(kind, place) {
  const id = `${kind}-${place}`;
  if (!known.has(id)) known.set(id, unpack(id));
  return known.get(id);
}

// Of several calls that wait for their pictures the last one counts.
let asked = 0;

async function show(place, picked = -1) {
  const own = ++asked;
  const isOther = place !== state.place;
  if (isOther) {
    const before = grouping();
    const picture = await partOf("picture", place);
    if (own !== asked) return;
    Object.assign(state, { place, sae: facts.saes[place], picture, rest: null, picked: -1, only: -1, hits: [] });
    state.colour = alike(picture.groupings, before);
    tell("sae");
  }
  pick(picked);
  if (!isOther) return;
  // Let the map be drawn before the rest is unpacked.
  await new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn)));
  const rest = await partOf("rest", place);
  if (state.place !== place) return;
  state.rest = named(rest, state.sae.n);
  tell("rest");
}

// The grouping of the same name as before; else the last one of lobes; else the first.
function alike(groupings, before) {
  const same = before ? groupings.findIndex((each) => each.name === before.name) : -1;
  if (same >= 0) return same;
  const told = groupings.findLastIndex((each) => each.kind === "lobe" && each.parts.some((part) => part[1]));
  if (told >= 0) return told;
  const lobes = groupings.findLastIndex((each) => each.kind === "lobe" && each.parts.length <= 8);
  return lobes >= 0 ? lobes : groupings.length - 1;
}

function pick(feature) {
  state.picked = feature >= 0 && feature < state.sae.n ? feature : -1;
  tell("picked");
}

// Where the labels and contexts of each feature begin.
function named(rest, n) {
  if (rest.labelCount) rest.labelStart = startsOf(rest.labelCount, n);
  if (rest.contextFeature) {
    const counts = new Uint16Array(n);
    let feature = 0;
    for (const step of rest.contextFeature) counts[(feature += step)]++;
    rest.contextStart = startsOf(counts, n);
  }
  rest.crystals = new Map();
  rest.families.forEach((family, place) => {
    for (const feature of new Set(family.pairs.flat())) {
      if (!rest.crystals.has(feature)) rest.crystals.set(feature, []);
      rest.crystals.get(feature).push(place);
    }
  });
  return rest;
}

function startsOf(counts, n) {
  const starts = new Uint32Array(n + 1);
  for (let i = 0; i < n; i++) starts[i + 1] = starts[i] + counts[i];
  return starts;
}

// Tokens of a feature in one of the lists: each with whether it is beyond chance.
function tokensIn(list, feature) {
  const rest = state.rest;
  const each = rest.tokens[list][2];
  const found = [];
  for (let i = feature * each; i < (feature + 1) * each; i++) {
    const place = rest[`tokens${list}`][i];
    if (place) found.push([rest.text[place - 1], rest[`tokensFound${list}`][i] === 1]);
  }
  return found;
}

// Tokens that stand for a feature: those beyond chance of the first list that has any.
function tokensOf(feature) {
  const rest = state.rest;
  for (let list = 0; list < (rest?.tokens.length ?? 0); list++) {
    const texts = tokensIn(list, feature).filter(([, isFound]) => isFound).map(([text]) => text);
    if (texts.length) return texts;
  }
  return [];
}

function labelOf(feature) {
  const rest = state.rest;
  if (!rest?.labelStart || rest.labelStart[feature] === rest.labelStart[feature + 1]) return "";
  return rest.label[rest.labelStart[feature]];
}

// What a feature is called: its description, else its first tokens, else nothing.
const wordsOf = (feature) => labelOf(feature) || distinct(tokensOf(feature).map(plain)).slice(0, 3).join(" · ");

// Words that differ by more than capitals.
const distinct = (words) =>
  words.filter((word, place) => words.findIndex((other) => other.toLowerCase() === word.toLowerCase()) === place);

// A token as a word: vocabularies give it as it stands in running text, with the blank before it.
// Blanks alone are shown as such: a name without letters would look like none.
const plain = (token) => token.trim() || token.replace(/\s/g, "␣");

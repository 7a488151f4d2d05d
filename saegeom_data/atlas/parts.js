// Pieces of the page. Words that come from data become text nodes, and are never read as HTML.

function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return element;
}

// Text of any direction, which turns nothing around it.
const bdi = (text, attributes = {}) => el("bdi", attributes, text);

function button(words, act, attributes = {}) {
  const element = el("button", { type: "button", ...attributes }, words);
  element.addEventListener("click", act);
  return element;
}

function dot(feature, slotColour = swatch(feature)) {
  const element = el("i", { class: "dot", "aria-hidden": "true" });
  element.style.background = slotColour;
  return element;
}

function section(title, ...children) {
  const kept = children.flat().filter(Boolean);
  return kept.length ? el("section", {}, el("h3", {}, title), kept) : null;
}

// A feature that can be gone to: its number, and its words where it has any.
function link(feature, more = null) {
  const words = short(wordsOf(feature), 80);
  const name = el("a", { href: addressOf(feature), class: "feature" }, dot(feature), el("span", { class: "number" }, `${feature}`), words ? bdi(words) : null);
  return more ? [name, more] : [name];
}

const addressOf = (feature) => `#${encodeURIComponent(state.sae.name)}${feature >= 0 ? `/${feature}` : ""}`;
const percent = (share) => share === 0 ? "0 %" : (share < 0.001 ? "under 0.1 %" : `${(100 * share).toFixed(share < 0.0995 ? 1 : 0)} %`);
const whole = (count) => count.toLocaleString("en");
const say = (words) => ($("spoken").textContent = words);

// The panel when no feature is picked: what is seen, groups and what they stand for, crystals, and what is missing.
function overview() {
  const sae = state.sae;
  return [
    el("h2", {}, capital(sae.title)),
    el("p", { class: "lead" }, introduction(sae)),
    el("p", { class: "note" }, mapWords(sae)),
    legend(),
    crystals(),
    sae.missing.length ? section("Not in this atlas", el("ul", { class: "missing" }, sae.missing.map((line) => el("li", {}, line)))) : null,
    section("About", el("dl", {}, aboutOf(sae).map(([name, value]) => [el("dt", {}, name), el("dd", {}, bdi(value))]))),
    section("Keys", el("p", { class: "note" }, $("how").textContent.replace(/\s+/g, " "))),
  ];
}

const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

function introduction(sae) {
  const colour = { lobe: "Colours are lobes: groups of features that fire in the same blocks of text.", community: "Colours are communities of the graph of features that fire together.", type: "Colours are the type of document that a feature fires in most above its rate elsewhere." };
  const kind = grouping()?.kind;
  const sizes = state.picture.size ? " Larger points fire in more of the text." : "";
  return `Each point is one of ${whole(sae.n)} features. Points that are near each other point in similar directions. ${colour[kind] ?? ""}${sizes} Pick a point, or search.`;
}

function mapWords(sae) {
  const trust = sae.trust === null ? "" : ` Trustworthiness ${sae.trust.toFixed(2)}: 1 if all neighbours on the map are neighbours in the decoder, 0.5 by chance.`;
  return `${sae.map}${trust} Gaps between groups and their sizes mean nothing.`;
}

const NONE = { lobe: "In no lobe: on in too few or too many blocks", community: "In no community", type: "Fire in no block" };

function legend() {
  const found = grouping();
  if (!found) return null;
  const place = slots(state.colour);
  const order = [...place.keys()].sort((a, b) => place[a] - place[b] || found.counts[b] - found.counts[a]);
  const items = order.slice(0, 60).map((group) => {
    const [name, standsFor] = found.parts[group];
    const typical = found.kind === "type" ? [] : typicalTokens(state.colour)[group] ?? [];
    const item = button("", () => showOnly(group), { class: "group", "aria-pressed": String(state.only === group) });
    item.append(dot(-1, swatchOf(place[group])), el("span", {}, el("b", {}, bdi(name)), standsFor ? el("span", { class: "stands" }, bdi(standsFor)) : "", typical.length ? el("span", { class: "stands note" }, bdi(typical.join(" · "))) : ""), el("span", { class: "count" }, whole(found.counts[group])));
    return el("li", {}, item);
  });
  const none = members().reduce((sum, group) => sum + (group >= place.length), 0);
  if (none) items.push(el("li", { class: "group rest" }, dot(-1, swatchOf(N_COLOURS + 1)), el("span", {}, NONE[found.kind]), el("span", { class: "count" }, whole(none))));
  const detail = state.only >= 0 && found.parts[state.only][2];
  const chosen = detail ? el("p", { class: "note" }, bdi(detail)) : null;
  const more = order.length > 60 ? el("p", { class: "note" }, `and ${order.length - 60} smaller ones`) : null;
  const details = found.words.length ? el("details", {}, el("summary", {}, found.kind === "type" ? "How it was found" : "What was tested"), el("ul", { class: "claims" }, found.words.map((line) => el("li", {}, bdi(line))))) : null;
  return section(found.name, el("ul", { class: "legend" }, items), more, chosen, details);
}

// For each group the tokens that more of its features stand out on than of the others; by count times log of the ratio.
function typicalTokens(index) {
  const found = state.picture.groupings[index];
  if (found.typical || !state.rest) return found.typical ?? [];
  const group = members(index);
  const counts = found.parts.map(() => new Map());
  const sizes = new Float64Array(found.parts.length);
  const all = new Map();
  for (let i = 0; i < state.sae.n; i++) {
    if (group[i] >= counts.length) continue;
    const words = distinct(tokensOf(i).map(plain));
    if (!words.length) continue;
    sizes[group[i]]++;
    for (const word of words) {
      counts[group[i]].set(word, (counts[group[i]].get(word) ?? 0) + 1);
      all.set(word, (all.get(word) ?? 0) + 1);
    }
  }
  const total = sizes.reduce((sum, size) => sum + size, 0);
  found.typical = counts.map((own, place) => {
    const scored = [...own].map(([word, count]) => [word, count * Math.log((count * total) / (sizes[place] * all.get(word)))]);
    return scored.filter(([, score]) => score > 0).sort((a, b) => b[1] - a[1]).slice(0, 6).map(([word]) => word);
  });
  return found.typical;
}

function showOnly(group) {
  state.only = state.only === group ? -1 : group;
  tell("only");
}

function crystals() {
  const rest = state.rest;
  if (!rest || (!rest.families.length && !rest.familyWords)) return null;
  // Where none is found, the nearest to it show what was looked for.
  const found = rest.families.filter((family) => family.found);
  const listed = (found.length ? found.slice(0, 12) : rest.families.slice(0, 3)).map((family) => familyItem(family));
  const words = rest.familyWords ? el("p", { class: "note" }, rest.familyWords) : null;
  return section("Crystals", words, listed.length ? el("ul", { class: "families" }, listed) : null);
}

// A family by its best two pairs, a quadruple; the rest of its pairs unfold.
function familyItem(family, feature = -1) {
  const own = feature < 0 ? family.pairs : [...family.pairs].sort((a, b) => Number(b.includes(feature)) - Number(a.includes(feature)));
  const [[a, b], [c, d]] = own;
  const rest = own.slice(2);
  return el("li", {},
    el("div", { class: "quadruple" }, link(a), el("span", { class: "sign" }, "to"), link(b), el("span", { class: "sign" }, "as"), link(c), el("span", { class: "sign" }, "to"), link(d)),
    el("p", { class: "note" }, `${family.found ? "Found" : "Not beyond the null models"}: ${family.kind}, ${family.words}`),
    rest.length ? el("details", {}, el("summary", {}, `${rest.length} more ${rest.length === 1 ? "pair" : "pairs"}`), el("ul", {}, rest.map(([from, to]) => el("li", {}, link(from), el("span", { class: "sign" }, "to"), link(to))))) : null);
}

function aboutOf(sae) {
  const data = Object.entries({ data: facts.data.title, licence: facts.data.license, citation: facts.data.citation, root: facts.data.root });
  return [...Object.entries(sae.facts), ...data].filter(([, value]) => value);
}

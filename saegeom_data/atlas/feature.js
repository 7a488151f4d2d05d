// The panel about one feature.

function neighboursOf(kind, feature) {
  const rest = state.rest;
  const each = rest?.[`${kind}Each`] ?? 0;
  const found = [];
  for (let order = 0; order < each; order++) {
    const other = rest[kind][feature * each + order];
    if (other) found.push([other - 1, rest[`${kind}Value`][order * state.sae.n + feature] / 100]);
  }
  return found;
}

function featurePanel(feature) {
  const rest = state.rest;
  const head = [
    el("nav", { class: "walk", "aria-label": "Features" }, button("← All features", () => go(-1)),
      button("‹", () => go(feature - 1), { "aria-label": "Previous feature", disabled: feature > 0 ? null : "" }),
      button("›", () => go(feature + 1), { "aria-label": "Next feature", disabled: feature + 1 < state.sae.n ? null : "" })),
    el("h2", {}, `Feature ${feature}`),
  ];
  if (!rest) return [...head, el("p", { class: "note" }, "Unpacking …")];
  return [
    ...head, labelsOf(feature) ?? called(feature), outside(feature), tokensShown(feature), contextsShown(feature), firing(feature), groupsOf(feature),
    nearest("Nearest directions", "cosine", "cosine of decoder rows", feature),
    nearest("Fire together", "cofiring", "phi, the correlation of firing over blocks", feature),
    crystalsOf(feature), numbers(feature),
  ];
}

function labelsOf(feature) {
  const rest = state.rest;
  if (!rest.labelStart) return null;
  const items = [];
  for (let i = rest.labelStart[feature]; i < rest.labelStart[feature + 1]; i++) {
    const score = rest.labelScore[i] === 255 ? "" : `score ${(rest.labelScore[i] / 100).toFixed(2)}`;
    const by = [rest.explainers[rest.explainer[i]], score].filter(Boolean).join(", ");
    items.push(el("p", { class: "label" }, bdi(rest.label[i]), by ? el("span", { class: "by" }, bdi(by)) : null));
  }
  return items.length ? el("div", { class: "labels" }, items) : el("p", { class: "note" }, "This feature has no label.");
}

// Tokens that a feature goes by, where the SAE has no labels.
function called(feature) {
  const words = wordsOf(feature);
  return words ? el("p", { class: "label" }, bdi(words)) : null;
}

// The groups that a feature is in: one row for each grouping.
function groupsOf(feature) {
  const rows = state.picture.groupings.map((each, place) => {
    const group = members(place)[feature];
    if (group >= each.parts.length) return [el("dt", {}, each.name), el("dd", {}, "none")];
    const [name, standsFor] = each.parts[group];
    return [el("dt", {}, each.name), el("dd", {}, dot(-1, swatch(feature, place)), " ", bdi(standsFor ? `${name}: ${standsFor}` : name))];
  });
  const words = grouping()?.kind === "type" ? [] : (grouping()?.words ?? []);
  const tested = words.length ? el("details", {}, el("summary", {}, `What was tested of ${grouping().name.toLowerCase()}`), el("ul", { class: "claims" }, words.map((line) => el("li", {}, bdi(line))))) : null;
  return rows.length ? section("Groups", el("dl", {}, rows), tested) : null;
}

function outside(feature) {
  if (!state.sae.neuronpedia) return null;
  const path = [...state.sae.neuronpedia.split("/"), `${feature}`].map(encodeURIComponent).join("/");
  return el("p", {}, el("a", { href: `https://www.neuronpedia.org/${path}`, rel: "noopener noreferrer", target: "_blank" }, "This feature on Neuronpedia"));
}

function tokensShown(feature) {
  return state.rest.tokens.map(([name, words], list) => {
    const found = tokensIn(list, feature);
    if (!found.length) return null;
    const items = found.map(([token, isFound]) => el("li", { class: isFound ? null : "faint" }, bdi(shownToken(token)), isFound ? null : el("span", { class: "unseen" }, " (not beyond chance)")));
    return section(name, el("ul", { class: "tokens" }, items), el("p", { class: "note" }, words));
  });
}

// A token with a sign for the blanks that would not be seen.
const shownToken = (token) => token.replace(/ /g, "␣") || "(empty)";

function contextsShown(feature) {
  const rest = state.rest;
  if (!rest.contextStart) return null;
  const items = [];
  for (let i = rest.contextStart[feature]; i < rest.contextStart[feature + 1]; i++) items.push(context(i));
  return section("In the text", items.length ? el("ol", { class: "contexts" }, items) : el("p", { class: "note" }, "No context of this feature."));
}

function context(i) {
  const rest = state.rest;
  const marked = rest.contextMark[i];
  const type = rest.contextType[i] < 255 ? rest.contextTypes[rest.contextType[i]] : "";
  const quantile = rest.contextQuantile[i];
  const which = quantile === 100 ? "" : `at ${quantile} % of its activations`;
  const source = rest.contextSources[rest.contextSource[i]];
  const said = [`activation ${rest.contextValue[i].toPrecision(3)}`, which, type, source ? `from ${source}` : ""].filter(Boolean).join(", ");
  // The blank that begins a token is not marked with it.
  const words = el("p", { dir: "auto" }, rest.contextBefore[i].trimStart(), /^\s/.test(marked) ? " " : "", el("mark", {}, marked.trim() || "␣"), rest.contextAfter[i].trimEnd());
  return el("li", {}, words, el("span", { class: "by" }, bdi(said)));
}

function firing(feature) {
  const rest = state.rest;
  if (!rest.active) return null;
  const blocks = rest.blocks.reduce((sum, count) => sum + count, 0);
  const active = rest.active[feature];
  const words = active ? `In ${whole(active)} of ${whole(blocks)} blocks of text (${percent(active / blocks)}).` : `In none of ${whole(blocks)} blocks of text.`;
  const rows = rest.share && active ? rest.types.map((type, place) => bar(type, (rest.share[place * state.sae.n + feature] / 255) ** 2)) : [];
  return section("Fires", el("p", {}, words), rows.length > 1 ? el("ul", { class: "bars", "aria-label": "Share of the blocks of each type" }, rows) : null);
}

function bar(type, share) {
  const fill = el("i", { "aria-hidden": "true" });
  fill.style.width = `${100 * share}%`;
  return el("li", {}, bdi(type), el("span", { class: "track", "aria-hidden": "true" }, fill), el("span", { class: "value" }, percent(share)));
}

function nearest(title, kind, what, feature) {
  if (!state.rest[`${kind}Each`]) return null;
  const items = neighboursOf(kind, feature).map(([other, value]) => el("li", {}, link(other, el("span", { class: "value" }, value.toFixed(2)))));
  return section(title, items.length ? [el("ul", { class: "near" }, items), el("p", { class: "note" }, `Value: ${what}.`)] : el("p", { class: "note" }, kind === "cofiring" ? "None: it fires in too few or too many blocks." : "None."));
}

function crystalsOf(feature) {
  const rest = state.rest;
  const found = rest.crystals.get(feature);
  if (!found) return null;
  return section("Crystals", el("ul", { class: "families" }, found.slice(0, 8).map((place) => familyItem(rest.families[place], feature))));
}

function numbers(feature) {
  const rows = state.rest.numbers.map(([name, description], place) => {
    const value = state.rest[`number${place}`][feature];
    return Number.isFinite(value) ? [el("dt", { title: description || null }, name), el("dd", {}, Number.isInteger(value) ? whole(value) : value.toPrecision(3))] : null;
  });
  return rows.some(Boolean) ? section("Measured", el("dl", {}, rows.filter(Boolean))) : null;
}

function tipOf(feature) {
  const words = short(wordsOf(feature), 120);
  const found = grouping();
  const part = found?.parts[members()[feature]];
  return [el("b", {}, `${feature}`), words ? bdi(` ${words}`) : "", part ? el("span", { class: "by" }, `${part[0]}${part[1] ? `: ${part[1]}` : ""}`) : ""];
}

// What is read out when a feature is picked.
function spokenOf(feature) {
  const part = grouping()?.parts[members()[feature]];
  return [`Feature ${feature}`, wordsOf(feature), part ? part[0] : ""].filter(Boolean).join(", ");
}

// The page as a whole: choices, the address, keys, and the panel.

function begin() {
  facts.saes.forEach((sae, place) => $("sae").append(el("option", { value: place }, sae.title)));
  $("sae").addEventListener("change", () => (location.hash = `#${encodeURIComponent(facts.saes[$("sae").value].name)}`));
  $("sae").closest("label").hidden = facts.saes.length < 2;
  $("colour").addEventListener("change", () => {
    state.colour = Number($("colour").value);
    state.only = -1;
    tell("only");
  });
  document.querySelector(".skip").addEventListener("click", (event) => {
    event.preventDefault();
    $("panel").focus();
  });
  on("sae", onSae);
  on("rest", () => {
    renew();
    redraw();
    // What the search looks through is made before anybody asks for it.
    setTimeout(() => state.rest && searchable(), 50);
    if ($("query").value) list(find($("query").value));
  });
  on("only", () => (recolour(), renew()));
  on("picked", onPicked);
  window.addEventListener("hashchange", () => follow());
  document.addEventListener("keydown", onKey);
  beginMap();
  beginSearch();
  follow();
}

// Show what the address names: #layer_3/812. What it does not name, or names wrongly, is the middle SAE, and no feature.
function follow() {
  const [name, feature] = location.hash.slice(1).split("/").map(decoded);
  const place = facts.saes.findIndex((sae) => sae.name === name);
  const middle = Math.floor((facts.saes.length - 1) / 2);
  const picked = place >= 0 && /^\d+$/.test(feature ?? "") ? Number(feature) : -1;
  return show(place >= 0 ? place : middle, picked).catch(failed);
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function failed(error) {
  $("busy").hidden = false;
  $("busy").textContent = `The atlas cannot be shown: ${error.message}. This browser may be too old, or the file cut short.`;
}

// Go to a feature, or to none, as a place of the address, so that the browser's own back and forward work.
function go(feature, isStep = false) {
  if (feature === state.picked) return;
  const address = addressOf(feature);
  // The frame of a notebook has an address that can be followed, but not replaced.
  if (!isStep || location.protocol === "about:") {
    location.hash = address;
    return;
  }
  history.replaceState(null, "", address);
  follow();
}

function onSae() {
  $("sae").value = state.place;
  $("colour").replaceChildren(...state.picture.groupings.map((each, place) => el("option", { value: place }, each.name)), el("option", { value: -1 }, "One colour"));
  $("colour").value = state.colour;
  forgetSearch();
  const named = `${whole(state.sae.n)} features of ${state.sae.title}`;
  $("marks").setAttribute("aria-label", `Map of ${named}`);
  document.title = `${capital(state.sae.title)}: atlas of features`;
  say(named);
  setMap();
}

function onPicked() {
  renew();
  $("panel").scrollTop = 0;
  if (state.picked >= 0) {
    reveal(state.picked);
    say(spokenOf(state.picked));
  }
  redraw();
}

function renew() {
  const content = state.picked >= 0 ? featurePanel(state.picked) : overview();
  $("panel").replaceChildren(...content.flat(Infinity).filter(Boolean));
  $("panel").setAttribute("aria-label", state.picked >= 0 ? `Feature ${state.picked}` : "About this SAE");
  $("note").textContent = state.only >= 0 ? `Only ${grouping().parts[state.only][0]} is shown. Choose it again to show all.` : "";
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
  const acts = {
    "/": () => $("query").focus(),
    "+": () => zoomBy(1.5),
    "=": () => zoomBy(1.5),
    "-": () => zoomBy(1 / 1.5),
    0: showAll,
    n: () => state.picked + 1 < state.sae.n && go(state.picked + 1, true),
    p: () => state.picked > 0 && go(state.picked - 1, true),
    Escape: () => (state.hits.length ? forgetHits() : state.only >= 0 ? showOnly(state.only) : go(-1)),
  };
  const act = acts[event.key];
  if (!act || !state.sae) return;
  event.preventDefault();
  act();
}

begin();

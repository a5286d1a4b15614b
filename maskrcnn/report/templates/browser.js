// The picture browser: images are filtered by the errors in them; the scene of the one that is shown is loaded as a script.
// Texts come from the data set, so they are set as text and never as HTML.
const ALARMS = ["background", "localisation", "duplicate"];
const LAYERS = { masks: "m", truth: "t", boxes: "b", labels: "l", regions: "r" };
const browser = { settings: null, images: [], scenes: new Map(), matching: [], shown: null, zoom: null, hidden: new Set(["boxes", "regions"]) };
if (innerWidth < 640) browser.hidden.add("labels");  // they would hide the picture
const $ = (id) => document.getElementById(id);

function receiveImages(settings, images) {
  browser.settings = settings;
  browser.images = images.map((image, index) => ({ ...image, index }));
  const { variants, classes, sizes, kinds } = settings;
  fill("left", variants.map((name) => [name, name]));
  $("left").value = $("left").dataset.best;
  fill("right", [["", "nothing"], ...variants.map((name) => [name, name])]);
  fill("kind", [["", "any or none"], ["some", "any error"], ["alarm", "false alarm"], ...Object.entries(kinds)]);
  fill("class", [["", "any"], ...classes.slice(1).map((name, index) => [index + 1, name])]);
  fill("size", [["", "any"], ...sizes.map((name) => [name, name])]);
  fill("city", [["", "any"], ...[...new Set(images.map((image) => image.city))].sort().map((name) => [name, name])]);
  for (const [layer, key] of Object.entries(LAYERS)) {
    const button = create("button", { type: "button", id: `layer-${layer}`, "aria-pressed": !browser.hidden.has(layer), "aria-keyshortcuts": key }, layer);
    button.addEventListener("click", () => toggle(layer));
    $("toggles").append(button);
  }
  $("filters").addEventListener("change", filter);
  $("previous").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("wipe").addEventListener("input", moveWipe);
  $("picture").addEventListener("pointermove", (event) => event.buttons && dragWipe(event));
  $("picture").addEventListener("pointerdown", dragWipe);
  $("viewer").addEventListener("keydown", press);
  addEventListener("resize", scaleLabels);
  filter();
}

function fill(id, options) {
  $(id).replaceChildren(...options.map(([value, text]) => create("option", { value }, text)));
}

function create(name, attributes = {}, text = "") {
  return dress(document.createElement(name), attributes, text);
}

function draw(name, attributes = {}, text = "") {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", name), attributes, text);
}

function dress(element, attributes, text) {
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.textContent = text;
  return element;
}

// ---- which images match

function matches(kind, classId, size) {
  const wanted = $("kind").value;
  const isKind = wanted === "" || wanted === "some" || wanted === kind || (wanted === "alarm" && ALARMS.includes(kind));
  return isKind && ["", String(classId)].includes($("class").value) && ["", size].includes($("size").value);
}

function countErrors(image) {
  return image.variants[$("left").value].errors.filter((error) => matches(...error)).length;
}

function filter() {
  const left = $("left").value;
  const needsError = $("kind").value || $("class").value || $("size").value;
  const found = browser.images
    .filter((image) => ["", image.city].includes($("city").value))
    .map((image) => ({ ...image, count: countErrors(image), rap: image.variants[left].rap }))
    .filter((image) => image.count || !needsError);
  const orders = {
    worst: (a, b) => (a.rap ?? 2) - (b.rap ?? 2) || b.count - a.count,
    errors: (a, b) => b.count - a.count,
    name: (a, b) => (a.name < b.name ? -1 : 1),
  };
  browser.matching = found.sort(orders[$("sort").value]);
  const errors = found.reduce((sum, image) => sum + image.count, 0);
  $("matching").textContent = `${found.length} of ${browser.images.length} pictures match, with ${errors} matching errors of ${left}.`;
  listPictures();
  show(found.some((image) => image.index === browser.shown) ? browser.shown : found[0]?.index ?? null);
}

function listPictures() {
  $("strip").replaceChildren(...browser.matching.map((image) => {
    const button = create("button", { type: "button", "data-index": image.index });
    if (browser.settings.pixels) button.append(create("img", { src: filePath("thumbnails", image.index, "webp"), alt: "", loading: "lazy", width: 160, height: Math.round(160 * browser.settings.height / browser.settings.width) }));
    button.append(create("span", {}, image.name), create("span", {}, `rAP ${image.rap === null ? "–" : image.rap.toFixed(2)}, errors: ${image.count}`));
    button.addEventListener("click", () => show(image.index));
    const item = create("li");
    item.append(button);
    return item;
  }));
}

function filePath(folder, index, suffix) {
  return `${folder}/${String(index).padStart(5, "0")}.${suffix}`;
}

function step(by) {
  const count = browser.matching.length;
  const place = browser.matching.findIndex((image) => image.index === browser.shown);
  if (count) show(browser.matching[(place + by + count) % count].index);
}

// ---- one image

function show(index) {
  browser.shown = index;
  browser.zoom = null;
  for (const button of $("strip").querySelectorAll("button")) {
    const isShown = Number(button.dataset.index) === index;
    button.toggleAttribute("aria-current", isShown);
    if (isShown) {
      button.setAttribute("aria-current", "true");
      $("strip").scrollTo({ left: button.offsetLeft - $("strip").offsetLeft - 8 });
    }
  }
  if (index === null) return clear();
  if (browser.scenes.has(index)) return drawScene(browser.scenes.get(index));
  const script = create("script", { src: filePath("scenes", index, "js") });
  script.addEventListener("load", () => script.remove());
  document.head.append(script);
}

function receiveScene(scene) {
  browser.scenes.set(scene.index, scene);
  if (scene.index === browser.shown) drawScene(scene);
}

function clear() {
  $("picture").setAttribute("aria-label", "No picture");
  $("picture").replaceChildren();
  $("objects").tBodies[0].replaceChildren();
  for (const id of ["name", "summary", "left-name", "right-name"]) $(id).textContent = "";
}

function drawScene(scene) {
  const { width, height, pixels } = browser.settings;
  const sides = [$("left").value, $("right").value].filter(Boolean);
  const picture = $("picture");
  picture.dataset.hide = [...browser.hidden].join(" ");
  picture.dataset.index = scene.index;
  picture.replaceChildren(draw("rect", { width, height, fill: "#444" }));
  if (pixels) picture.append(draw("image", { href: filePath("images", scene.index, "webp"), width, height }));
  const clips = draw("defs");
  picture.append(clips);
  sides.forEach((variant, side) => {
    const clip = draw("clipPath", { id: `clip-${side}` });
    clip.append(draw("rect", { height }));
    clips.append(clip);
    picture.append(drawVariant(scene, variant, side));
  });
  const truth = draw("g", { class: "layer-truth" });
  truth.append(...scene.crowds.map((one) => draw("path", { d: one.path, class: "crowd" })), ...scene.truth.map((one) => draw("path", { d: one.path, class: "truth" })));
  picture.append(truth);
  if (sides[1]) picture.append(draw("line", { class: "divider", y1: 0, y2: height }));
  $("wipe-label").hidden = !sides[1];
  $("objects").classList.toggle("single", !sides[1]);
  $("name").textContent = browser.images[scene.index].name;
  $("left-name").textContent = sides[1] ? sides[0] : "";
  $("right-name").textContent = sides[1] ?? "";
  $("summary").textContent = `${browser.images[scene.index].name}: ${sides.map((variant) => `${variant}, ${summarize(scene, variant)}`).join("; ")}.`;
  picture.setAttribute("aria-label", $("summary").textContent);
  $("objects").tBodies[0].replaceChildren(...sides.flatMap((variant, side) => listObjects(scene, variant).map((one) => drawRow(one, variant, side))));
  moveWipe();
  look(null);
}

// Returns the predictions of a variant and the truths that it missed, in one form.
function listObjects(scene, variant) {
  const found = scene.variants[variant];
  const missed = scene.truth
    .map((one, index) => ({ ...one, verdict: found.truth[index] }))
    .filter((one) => one.verdict === "missed");
  return [...found.objects, ...missed].map((one, index) => ({ ...one, index }));
}

function tone(verdict) {
  return ALARMS.includes(verdict) ? "alarm" : verdict;
}

function drawVariant(scene, variant, side) {
  const group = draw("g", { "data-variant": variant, "clip-path": `url(#clip-${side})` });
  const layers = Object.fromEntries(["masks", "boxes", "labels", "regions"].map((name) => [name, draw("g", { class: `layer-${name}` })]));
  for (const one of listObjects(scene, variant).reverse()) {  // the best score on top
    const [x, y, width, height] = one.box;
    const mark = { class: `object ${tone(one.verdict)}`, "data-object": `${side}-${one.index}`, "data-verdict": one.verdict };
    layers.masks.append(draw("path", { d: one.path, ...mark }));
    layers.boxes.append(draw("rect", { x, y, width, height, ...mark, class: `box ${mark.class}`, fill: "none" }));
    layers.labels.append(draw("text", { x, y }, label(one)));
  }
  layers.regions.append(...scene.variants[variant].regions.map(([x, y, width, height]) => draw("rect", { x, y, width, height, class: "box region" })));
  group.append(...Object.values(layers));
  return group;
}

function label(one) {
  const name = browser.settings.classes[one.class];
  return one.verdict === "missed" ? name : `${name} ${one.score.toFixed(2)}`;
}

function explain(one) {
  const other = browser.settings.classes[one.truth_class];
  return one.verdict === "class" ? `wrong class: it is ${other}` : browser.settings.kinds[one.verdict] ?? one.verdict;
}

function summarize(scene, variant) {
  const counts = {};
  for (const one of listObjects(scene, variant)) counts[tone(one.verdict)] = (counts[tone(one.verdict)] ?? 0) + 1;
  const words = { hit: "hits", class: "wrong class", alarm: "false alarms", missed: "missed", ignored: "not judged" };
  const parts = Object.entries(words).filter(([key]) => counts[key]).map(([key, word]) => `${word}: ${counts[key]}`);
  return parts.join(", ") || "found nothing, and nothing is there";
}

function drawRow(one, variant, side) {
  const button = create("button", { type: "button" }, browser.settings.classes[one.class]);
  button.addEventListener("click", () => look(one, `${side}-${one.index}`));
  const swatch = create("i", { class: `dot swatch ${tone(one.verdict)}` });
  const row = create("tr", { "data-verdict": one.verdict });
  const cells = ["", "", one.score?.toFixed(2) ?? "–", one.iou?.toFixed(2) ?? "–", one.size].map((text) => create("td", {}, text));
  cells[0].append(button);
  cells[1].append(swatch, explain(one));
  cells.push(create("td", { class: "of" }, variant));
  row.append(...cells);
  return row;
}

// ---- looking closer

function look(one, name = "") {
  const { width, height } = browser.settings;
  browser.zoom = one && browser.zoom !== name ? name : null;
  const [x, y, w, h] = browser.zoom ? one.box : [0, 0, width, height];
  const span = browser.zoom ? Math.min(width, Math.max(2.2 * w, 2.2 * h * width / height, width / 12)) : width;
  const tall = span * height / width;
  const left = Math.min(Math.max(0, x + w / 2 - span / 2), width - span);
  const top = Math.min(Math.max(0, y + h / 2 - tall / 2), height - tall);
  $("picture").setAttribute("viewBox", `${left} ${top} ${span} ${tall}`);
  for (const mark of $("picture").querySelectorAll("[data-object]")) mark.classList.toggle("chosen", mark.dataset.object === browser.zoom);
  if (browser.zoom) reveal(one.box, Number(name[0]));
  scaleLabels();
}

// Moves the wipe off an object of the left or the right variant.
function reveal([x, , width], side) {
  const at = 100 * (side === 0 ? x + width : x) / browser.settings.width;
  const wipe = $("wipe");
  wipe.value = side === 0 ? Math.max(wipe.value, at) : Math.min(wipe.value, at);
  moveWipe();
}

// Labels keep their size on the screen: a unit is the image's pixels in one of the screen.
function scaleLabels() {
  const picture = $("picture");
  picture.style.setProperty("--unit", (picture.viewBox.baseVal?.width ?? 1) / Math.max(1, picture.clientWidth));
}

function toggle(layer) {
  if (!browser.hidden.delete(layer)) browser.hidden.add(layer);
  $(`layer-${layer}`).setAttribute("aria-pressed", !browser.hidden.has(layer));
  $("picture").dataset.hide = [...browser.hidden].join(" ");
}

function moveWipe() {
  const { width } = browser.settings;
  const at = $("right").value ? width * $("wipe").value / 100 : width;
  const place = (id, attributes) => document.querySelector(id) && dress(document.querySelector(id), attributes, "");
  place("#clip-0 rect", { x: 0, width: at });
  place("#clip-1 rect", { x: at, width: width - at });
  place("#picture .divider", { x1: at, x2: at });
}

function dragWipe(event) {
  if (!$("right").value) return;
  const view = $("picture").viewBox.baseVal;
  const frame = $("picture").getBoundingClientRect();
  const x = view.x + (event.clientX - frame.left) / frame.width * view.width;
  $("wipe").value = 100 * x / browser.settings.width;
  moveWipe();
}

function press(event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches("select, input")) return;
  const layer = Object.keys(LAYERS).find((name) => LAYERS[name] === event.key);
  if (layer) toggle(layer);
  else if (event.key === "ArrowLeft") step(-1);
  else if (event.key === "ArrowRight") step(1);
  else if (event.key === "Escape") look(null);
  else if (event.key === "," || event.key === ".") {
    $("wipe").value = Number($("wipe").value) + (event.key === "," ? -5 : 5);
    moveWipe();
  } else return;
  event.preventDefault();
}

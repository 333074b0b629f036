// The page to draw in. What it draws it gets from answers.js; the address bar keeps what was asked. All addresses are
// relative, so that it works below any path, and all that is said of images is from the answer that they came in: a name
// may mean another model by now.
import { ask, listing, picture, silence } from "./answers.js";

const form = document.getElementById("asked");
const status = document.getElementById("status");
const drawn = document.getElementById("drawn");
const field = (name) => form.elements[name];
let models = [];
let animation = 0;
let shown = []; // the cards of what is drawn
let turn = 0; // of drawing: an answer to an earlier request is not shown over a later one

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const known = (name) => models.find((model) => model.name === name);

function title(card) {
  const version = card.version == null ? "" : `, version ${card.version}`;
  return `${card.model}${version}${card.family ? ` (${card.family})` : ""}`;
}

const option = (value, textContent, className = "") => element("option", { value, textContent, className });

// The lists of what can be asked are the chosen model's own; they are made anew only where it has others.
function offer() {
  const model = known(field("model").value);
  const classes = model?.takes === "label" ? model.class_names : [];
  const select = field("labels");
  const made = JSON.stringify(classes);
  if (select.dataset.classes !== made) {
    const before = select.value;
    select.dataset.classes = made;
    select.replaceChildren(
      option("", "drawn from the seed"),
      option("balanced", "each in turn", "several"),
      // A class that is called like a word of the API has its place for a name.
      ...classes.map((name, place) => option(["balanced", "data", "uniform"].includes(name) ? place : name, name)),
    );
    select.value = before;
    if (select.selectedIndex < 0) select.value = "";
  }
  const captions = model?.captions ?? [];
  field("caption").placeholder = captions[0] ?? "drawn from the seed";
  document.getElementById("captions").replaceChildren(...captions.map((text) => option(text, "")));
}

// Only what the chosen model takes and the chosen view needs is shown, and asked.
function settle() {
  offer();
  const view = field("view").value;
  for (const part of form.querySelectorAll("[data-view]")) {
    part.hidden = !part.dataset.view.split(" ").includes(view);
  }
  for (const part of form.querySelectorAll("[data-takes]")) {
    part.hidden = known(field("model").value)?.takes !== part.dataset.takes;
  }
  for (const part of form.querySelectorAll(".field")) {
    for (const input of part.querySelectorAll("input, select")) input.disabled = part.hidden;
  }
  field("labels").querySelectorAll(".several").forEach((option) => (option.hidden = view === "walk"));
  if (view === "walk" && ["balanced"].includes(field("labels").value)) field("labels").value = "";
  document.getElementById("truncation_shown").textContent = Number(field("truncation").value).toFixed(2);
}

function asked(name) {
  const takes = known(name)?.takes;
  return {
    model: name,
    seed: field("seed").value,
    truncation: field("truncation").value,
    labels: takes === "label" ? field("labels").value : "",
    caption: takes === "caption" ? field("caption").value.trim() : "",
  };
}

const source = (image) => `data:image/png;base64,${image.png}`;

function words(image) {
  const said = image.class_name ?? image.caption;
  return `image ${image.index}${said == null ? "" : `: ${said}`}`;
}

// Images stand no smaller than they are.
function images(...pictures) {
  const made = element("div", { className: "images" }, ...pictures);
  const side = Math.max(0, ...pictures.map((picture) => picture.naturalWidth));
  made.style.setProperty("--side", `${side}px`);
  return made;
}

async function decoded(image, alt) {
  const picture = element("img", { src: source(image), alt, title: alt });
  await picture.decode();
  return picture;
}

function download(text, name, href) {
  return element("a", { textContent: text, download: name, href });
}

function facts(answer, base, path, format) {
  const { card } = answer;
  const same = { ...base, sha256: card.model_sha256, format }; // or nothing, if the name has moved on
  const file = `${card.model}-${card.model_sha256.slice(0, 8)}-seed-${card.seed}`.replace(/[^\w.-]+/g, "_");
  const blob = new Blob([JSON.stringify(card, null, 2)], { type: "application/json" });
  return [
    element("p", { className: "facts", textContent: `sha256 ${card.model_sha256}` }),
    element(
      "p",
      { className: "downloads" },
      download("PNG", `${file}.png`, picture(answer, path, same)),
      download("Card (JSON)", `${file}.json`, URL.createObjectURL(blob)),
    ),
  ];
}

async function grid(name, count) {
  const base = { ...asked(name), count };
  const answer = await ask("v1/images", { ...base, format: "json" });
  const card = answer.card;
  const pictures = await Promise.all(answer.images.map((image) => decoded(image, words(image))));
  const section = element(
    "section",
    { ariaLabel: `Images of ${name}` },
    element("h2", { textContent: title(card) }),
    images(...pictures),
    ...facts(answer, base, "v1/images", "grid"),
  );
  return { card, section };
}

async function walk(name) {
  const base = { ...asked(name), to_seed: field("to_seed").value, steps: field("steps").value };
  const answer = await ask("v1/walk", { ...base, format: "json" });
  const card = answer.card;
  const steps = answer.images.length;
  const frames = await Promise.all(answer.images.map((image) => decoded(image, `step ${image.index + 1} of ${steps}`)));
  const { naturalWidth: width, naturalHeight: height } = frames[0];
  const canvas = element("canvas", { width, height, role: "img", ariaLabel: "The walk, animated" });
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const pause = element("button", { type: "button", textContent: still ? "Play" : "Pause" });
  pause.addEventListener("click", () => {
    pause.textContent = pause.textContent === "Pause" ? "Play" : "Pause";
  });
  const slider = element("input", { type: "range", min: 0, max: steps - 1, value: 0, ariaLabel: "Step" });
  let at = 0;
  const show = () => {
    slider.value = at < frames.length ? at : 2 * frames.length - 2 - at;
    canvas.getContext("2d").drawImage(frames[slider.value], 0, 0);
  };
  slider.addEventListener("input", () => {
    pause.textContent = "Play";
    at = Number(slider.value);
    show();
  });
  show();
  const step = () => {
    if (pause.textContent === "Play") return;
    at = (at + 1) % (2 * frames.length - 2); // forth and back
    show();
  };
  const section = element(
    "section",
    { ariaLabel: `A walk of ${name}` },
    element("h2", { textContent: `${title(card)}: seed ${card.seed} to seed ${card.to_seed}` }),
    element(
      "div",
      { className: "walk" },
      element("div", {}, canvas, slider, pause),
      images(...frames),
    ),
    ...facts(answer, base, "v1/walk", "strip"),
  );
  return { card, section, step };
}

async function draw() {
  if (!models.length) return; // what the address keeps was not recalled yet
  settle();
  if (!form.reportValidity()) return;
  const mine = ++turn;
  const view = field("view").value;
  const name = field("model").value;
  status.className = "";
  status.textContent = "Drawing…";
  remember();
  const began = performance.now();
  try {
    const count = field("count").value;
    const names = view === "beside" ? [name, field("other").value] : [name];
    const made = await Promise.all(names.map((each) => (view === "walk" ? walk(each) : grid(each, count))));
    if (mine !== turn) return;
    clearInterval(animation);
    if (made[0].step) animation = setInterval(made[0].step, 90);
    drawn.replaceChildren(...made.map((each) => each.section));
    shown = made.map((each) => each.card);
    status.textContent = `Drawn in ${Math.round(performance.now() - began)} ms.`;
    const widths = new Set(shown.map((card) => card.noise_dim));
    if (widths.size > 1) {
      status.textContent += ` Their noise differs in width (${[...widths].join(" and ")}): the same seed, not the same noise.`;
    }
  } catch (error) {
    if (mine !== turn) return;
    status.className = "wrong";
    status.textContent = error.message;
    refresh().then(settle, () => {}); // what the models take may have changed
  }
}

// Says so when a name means another model than the one whose images are shown.
function compare() {
  for (const card of shown) {
    const now = known(card.model);
    if (now && now.sha256 !== card.model_sha256) {
      const version = now.version == null ? `sha256 ${now.sha256.slice(0, 12)}` : `version ${now.version}`;
      status.textContent = `${card.model} is ${version} now; these images are not of it. Draw again to see its own.`;
    }
  }
}

function remember() {
  const kept = new URLSearchParams([...new FormData(form)].filter(([, value]) => value !== ""));
  history.replaceState(null, "", `?${kept}`);
}

function recall() {
  const asked = new URLSearchParams(location.search);
  for (const name of ["model", ...asked.keys()]) { // first the model, whose lists the others choose from
    const input = field(name);
    if (input && "value" in input && asked.has(name)) input.value = asked.get(name);
    if (name === "model") offer();
  }
}

async function refresh() {
  const told = await listing();
  models = told.models;
  for (const name of ["model", "other"]) {
    const select = field(name);
    const before = select.value;
    select.replaceChildren(...models.map((model) => element("option", { value: model.name, textContent: model.name })));
    select.value = known(before) ? before : (models[name === "other" && models.length > 1 ? 1 : 0]?.name ?? "");
  }
  for (const name of ["count", "steps"]) field(name).max = told.max_images;
  form.querySelector("[value=beside]").parentElement.hidden = models.length < 2;
}

document.getElementById("another").addEventListener("click", () => {
  field("seed").value = crypto.getRandomValues(new Uint32Array(1))[0];
  draw();
});
form.addEventListener("input", settle);
form.addEventListener("change", (event) => {
  if (event.target.name !== "caption") draw();
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  draw();
});
const look = () => refresh().then(settle).then(compare, () => {});
setInterval(() => document.hidden || look(), 15000);
document.addEventListener("visibilitychange", () => document.hidden || look());

refresh().then(
  () => {
    recall();
    draw();
  },
  () => {
    status.className = "wrong";
    status.textContent = silence;
  },
);

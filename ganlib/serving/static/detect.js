// The field at the foot of the page: a picture is sent to the server as it is, and what is known of it is said in words.
const box = document.getElementById("detect");
const input = document.getElementById("picture");
const answer = document.getElementById("answer");
let turn = 0; // an answer to an earlier picture is not shown over a later one's

const SAYINGS = {
  ours: "Made here.",
  "says it is ours": "It says that it was made here.",
  "likely ours": "Likely made here; that is no proof.",
  "marked by others": "Marked as made by a model elsewhere.",
  "no sign": "No sign of a model.",
};

function say(text, className = "") {
  answer.className = className;
  answer.textContent = text;
}

async function look(file) {
  const mine = ++turn;
  say(`Looking at ${file.name}…`);
  try {
    const got = await fetch("v1/detect", { method: "POST", body: file });
    const told = await got.json();
    if (mine !== turn) return;
    if (got.ok) say(`${file.name}: ${SAYINGS[told.answer]} Because: ${told.reason}.`, told.proof ? "proof" : "");
    else say(`${file.name}: ${told.error}`, "wrong");
  } catch {
    if (mine === turn) say(`${file.name}: the server does not answer.`, "wrong");
  }
}

input.addEventListener("change", () => {
  if (input.files.length) look(input.files[0]);
  input.value = ""; // so that the same file can be chosen again
});

// A picture that misses the field must not take the page's place either.
for (const type of ["dragover", "drop"]) document.addEventListener(type, (event) => event.preventDefault());
for (const type of ["dragenter", "dragover"]) box.addEventListener(type, () => box.classList.add("over"));
for (const type of ["dragleave", "drop"]) box.addEventListener(type, () => box.classList.remove("over"));
box.addEventListener("drop", (event) => {
  const [file] = event.dataTransfer.files;
  if (file) look(file);
  else say("That was no file: save the picture first, then drop it here.", "wrong");
});

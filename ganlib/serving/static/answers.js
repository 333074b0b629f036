// What the page draws, asked of the API, as anybody can. A gallery's page has a file of the same name that answers itself.
export const silence = "The server does not answer.";

export async function ask(path, asked) {
  const query = new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== "" && value != null));
  const answer = await fetch(`${path}?${query}`);
  const body = await answer.json();
  if (!answer.ok) throw new Error(body.error);
  return body;
}

export async function listing() {
  return (await fetch("v1/models")).json();
}

// The address of all images of an answer on one picture.
export function picture(answer, path, asked) {
  return `${path}?${new URLSearchParams(Object.entries(asked).filter(([, value]) => value !== ""))}`;
}

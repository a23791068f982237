// What scripts that call the API share: one mutation with its input, and where a weighty step sends its visitor first.
"use strict";
const base64 = (bytes) => btoa(String.fromCharCode(...new Uint8Array(bytes)));
const bytesOf = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));

async function ask(query, input) {
  const answer = await fetch("/graphql", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ query, variables: { input } }),
  });
  const body = await answer.json();
  const payload = body.data && Object.values(body.data)[0];
  const errors = body.errors || (payload && payload.errors) || [];
  if (errors.length) {
    const code = errors[0].code || (errors[0].extensions && errors[0].extensions.code);
    throw Object.assign(new Error(errors[0].message), { code });
  }
  return payload;
}

const STEPS_UP = {
  STEP_UP_REQUIRED: "/portal/confirm",
  SECOND_FACTOR_REQUIRED: "/portal/confirm/factor",
  SECOND_FACTOR_MISSING: "/portal/account/second-factor",
};

// Whether the visitor was sent to show who it is, to come back to this page afterwards.
function stepUp(error) {
  const page = STEPS_UP[error.code];
  if (page) location.assign(`${page}?next=${encodeURIComponent(location.pathname + location.search)}`);
  return Boolean(page);
}

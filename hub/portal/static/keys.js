// A signing key made in the browser (WebCrypto Ed25519): the private half becomes a file here and is never sent.
"use strict";
const section = document.getElementById("make-key");
function save(name, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "application/x-pem-file" }));
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

async function make() {
  const pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
  const publicKey = base64(await crypto.subtle.exportKey("raw", pair.publicKey));
  const systemId = section.dataset.system;
  const { challenge } = await ask(
    "mutation ($input: RequestKeyChallengeInput!) { requestKeyChallenge(input: $input) { errors { code message } challenge { challenge bytesToSign } } }",
    { publicKey, systemId },
  );
  const signature = base64(await crypto.subtle.sign({ name: "Ed25519" }, pair.privateKey, bytesOf(challenge.bytesToSign)));
  const pem = base64(await crypto.subtle.exportKey("pkcs8", pair.privateKey)).match(/.{1,64}/g).join("\n");
  save(`${section.dataset.unique}.private-key.pem`, `-----BEGIN PRIVATE KEY-----\n${pem}\n-----END PRIVATE KEY-----\n`);
  await ask(
    "mutation ($input: AddSigningKeyInput!) { addSigningKey(input: $input) { errors { code message } signingKey { id } } }",
    { publicKey, systemId, challenge: challenge.challenge, signature },
  );
}

if (section && window.crypto && crypto.subtle) {
  section.hidden = false;
  const button = section.querySelector("button");
  const problem = section.querySelector(".problem");
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await make();
      location.assign(section.dataset.back);
    } catch (error) {
      if (stepUp(error)) return;
      problem.textContent = error.name === "NotSupportedError" ? problem.dataset.old : error.message;
      problem.hidden = false;
      button.disabled = false;
    }
  });
}

// A dialog that asks for a token or a passphrase; it is made when it is first needed.

import { make, setText } from "./dom.js";

export class SecretPrompt {
  #dialog = null;

  /**
   * `id` begins the ids of its nodes; `words`: title, reason, wrong, label and send.
   * Calls onSecret(secret) with what the person typed, and keeps no copy.
   */
  constructor(id, words, onSecret) {
    Object.assign(this, { id, words, onSecret });
  }

  /** `wrong`: the last answer was refused. */
  ask(wrong) {
    this.#dialog ??= this.#build();
    const { dialog, message } = this.#dialog;
    message.dataset.wrong = wrong;
    setText(message, wrong ? this.words.wrong : this.words.reason);
    if (!dialog.open) dialog.showModal();
  }

  #build() {
    const { id, words } = this;
    const dialog = named("dialog", `${id}-dialog`, document.body);
    dialog.setAttribute("aria-labelledby", `${id}-title`);
    const form = named("form", `${id}-form`, dialog);
    form.method = "dialog";
    setText(named("h2", `${id}-title`, form), words.title);
    const message = named("p", `${id}-message`, form);
    const label = make("label", "", form);
    label.htmlFor = id;
    setText(label, words.label);
    const input = named("input", id, form);
    Object.assign(input, { type: "password", autocomplete: "off", spellcheck: false, required: true });
    const send = named("button", `${id}-send`, make("div", "actions", form));
    send.type = "submit";
    setText(send, words.send);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const secret = input.value;
      input.value = "";
      dialog.close();
      this.onSecret(secret);
    });
    return { dialog, message };
  }
}

function named(tag, id, parent) {
  const node = make(tag, "", parent);
  node.id = id;
  return node;
}

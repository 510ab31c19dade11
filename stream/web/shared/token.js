// The dialog that asks for the server's token: every page of the server that has a connection makes it when it is needed.

import { make, say } from "./dom.js";

export class TokenPrompt {
  #dialog = null;

  /** `give(token)` gets what the person typed. */
  constructor(give) {
    this.give = give;
  }

  /** `wrong`: one was given, and is not this server's. */
  ask(wrong) {
    this.#dialog ??= this.#build();
    const { dialog, message } = this.#dialog;
    message.dataset.wrong = wrong;
    say(message, wrong ? "That was not this server's token." : "It was printed or chosen where the server was started.");
    if (!dialog.open) dialog.showModal();
  }

  #build() {
    const dialog = named("dialog", "token-dialog", document.body);
    dialog.setAttribute("aria-labelledby", "token-title");
    const form = named("form", "token-form", dialog);
    form.method = "dialog";
    say(named("h2", "token-title", form), "This server asks for its token");
    const message = named("p", "token-message", form);
    const label = make("label", "", form);
    label.htmlFor = "token";
    say(label, "Token");
    const input = named("input", "token", form);
    Object.assign(input, { type: "password", autocomplete: "off", spellcheck: false, required: true });
    const send = named("button", "token-send", make("div", "actions", form));
    send.type = "submit";
    say(send, "Connect");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = input.value;
      input.value = "";
      dialog.close();
      this.give(token);
    });
    return { dialog, message };
  }
}

function named(tag, id, parent) {
  const node = make(tag, "", parent);
  node.id = id;
  return node;
}

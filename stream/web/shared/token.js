// The dialog that asks for the server's token; a page makes it when it is first needed.

import { make, setText } from "./dom.js";
import { text } from "./texts.js";

const STORAGE_KEY = "mtclar.token"; // of this tab, until it is closed

/** The token that this tab has used; null without one. */
export const rememberedToken = () => sessionStorage.getItem(STORAGE_KEY);

/** Opens the connection of a page, with the token that this tab has used on another one of the server's pages. */
export function openWithToken(connection) {
  const token = rememberedToken();
  if (token === null) connection.open();
  else connection.useToken(token);
}

/** Forgets the token: the next page asks for one. */
export const forgetToken = () => sessionStorage.removeItem(STORAGE_KEY);

export class TokenPrompt {
  #dialog = null;

  /** Calls onToken(token) with what the person typed. */
  constructor(onToken) {
    this.onToken = onToken;
  }

  /** `wrong`: the last token was refused. */
  ask(wrong) {
    forgetToken();
    this.#dialog ??= this.#build();
    const { dialog, message } = this.#dialog;
    message.dataset.wrong = wrong;
    setText(message, text(wrong ? "token.wrong" : "token.origin"));
    if (!dialog.open) dialog.showModal();
  }

  #build() {
    const dialog = named("dialog", "token-dialog", document.body);
    dialog.setAttribute("aria-labelledby", "token-title");
    const form = named("form", "token-form", dialog);
    form.method = "dialog";
    setText(named("h2", "token-title", form), text("token.title"));
    const message = named("p", "token-message", form);
    const label = make("label", "", form);
    label.htmlFor = "token";
    setText(label, text("token.label"));
    const input = named("input", "token", form);
    Object.assign(input, { type: "password", autocomplete: "off", spellcheck: false, required: true });
    const send = named("button", "token-send", make("div", "actions", form));
    send.type = "submit";
    setText(send, text("token.send"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const token = input.value;
      sessionStorage.setItem(STORAGE_KEY, token);
      input.value = "";
      dialog.close();
      this.onToken(token);
    });
    return { dialog, message };
  }
}

function named(tag, id, parent) {
  const node = make(tag, "", parent);
  node.id = id;
  return node;
}

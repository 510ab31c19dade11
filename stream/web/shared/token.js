// The server's token: the dialog that asks for it, and the memory of this tab.

import { SecretPrompt } from "./secret-prompt.js";
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
  /** Calls onToken(token) with what the person typed. */
  constructor(onToken) {
    const words = { title: text("token.title"), reason: text("token.origin"), wrong: text("token.wrong"), label: text("token.label"), send: text("token.send") };
    this.prompt = new SecretPrompt("token", words, (token) => {
      sessionStorage.setItem(STORAGE_KEY, token);
      onToken(token);
    });
  }

  /** `wrong`: the last token was refused. */
  ask(wrong) {
    forgetToken();
    this.prompt.ask(wrong);
  }
}

// The connection of a calibration or rating page: joins its session, shows errors, takes over from another page.

import { Client } from "../client/client.js";
import { refusalText, showConnection, VIEWER_TEXT } from "../shared/connection-status.js";
import { element, setText } from "../shared/dom.js";
import { SecretPrompt } from "../shared/secret-prompt.js";
import { optionalText, text } from "../shared/texts.js";
import { openWithToken, rememberedToken, TokenPrompt } from "../shared/token.js";
import { noticeText } from "./sentences.js";

const NOTICE_MS = 8000;
const OF_THE_CAMERA = ["bad_frame", "frame_too_large", "stream_taken", "token_required", "bad_token"];

const PASSPHRASE_WORDS = {
  title: text("passphrase.title"),
  reason: text("passphrase.reason"),
  wrong: text("passphrase.wrong"),
  label: text("passphrase.label"),
  send: text("passphrase.send"),
};

/**
 * Calls `receive[type](message)` for messages of the server, and
 *   onBytes(bytes)      for an image
 *   onHello()           before the first `join` of a connection
 *   onTaken()           another page has this session, as `takenText(address)` says
 *   onError(message)    of an action. True: it is handled, and nothing is shown
 *   errorText(message)  what is shown; undefined: its code, or its message, says it
 *   onDisconnect()
 *   onEnded()           the server has ended after `end`
 */
export class SessionPage {
  #connection;
  #failed = null; // { words, until_ms }
  #notice = ""; // of the server's state
  #token = rememberedToken();
  #passphrasePrompt = new SecretPrompt("passphrase", PASSPHRASE_WORDS, (passphrase) => {
    this.passphrase = passphrase;
    this.#failed = null;
    this.#join();
  });

  constructor(handlers) {
    this.handlers = handlers;
    this.joined = false; // a state has arrived
    this.choice = {}; // person and stream of the next `join`
    this.saved = false; // the server may end
    this.passphrase = null; // of an encrypted set; in this page's memory alone
    const prompt = new TokenPrompt((token) => {
      this.#token = token;
      this.#connection.useToken(token);
    });
    this.#connection = new Client(undefined, {
      keepTrying: true,
      onMessage: (message) => this.#receive(message),
      onBytes: (bytes) => handlers.onBytes(bytes),
      onState: (connected, wait_s, refusal) => {
        showConnection(connected, wait_s, refusal);
        if (refusal) this.fail(refusalText(refusal));
        if (connected !== "live") handlers.onDisconnect?.();
      },
      onTokenNeeded: (wrong) => prompt.ask(wrong),
    });
    element("retry").addEventListener("click", () => this.#connection.retryNow());
    element("take-over").addEventListener("click", () => this.#join({ take_over: true }));
    setInterval(() => this.showNotice(), 500);
    this.#connection.subscribe({ streams: [] }); // these pages show no values
  }

  /** Ends the connection when the server has ended because of `done`. */
  end() {
    this.send("done");
    this.ending = true;
  }

  get connection() {
    return this.#connection;
  }

  open() {
    openWithToken(this.#connection);
  }

  /** Sends `calibrate.<kind>`; before a state the person is unknown, and only `join` is sent. */
  send(kind, content = {}) {
    if (this.joined || kind === "join") this.#connection.send({ type: `calibrate.${kind}`, ...content });
  }

  #join(content = {}) {
    this.send("join", { ...this.choice, ...(this.passphrase === null ? {} : { passphrase: this.passphrase }), ...content });
  }

  /** Fetches a page of this server that may need the token. */
  fetch(path) {
    return fetch(path, this.#token === null ? {} : { headers: { Authorization: `Bearer ${this.#token}` } });
  }

  /** Shows an error for some seconds, or until the next state. */
  fail(words, for_ms = NOTICE_MS) {
    this.#failed = { words, until_ms: performance.now() + for_ms };
    this.showNotice();
  }

  showNotice() {
    const failed = this.#failed && performance.now() < this.#failed.until_ms ? this.#failed.words : null;
    const words = failed ?? this.#notice;
    const node = element("notice");
    node.hidden = words === "";
    node.dataset.kind = failed ? "bad" : "";
    setText(node, words);
  }

  #receive(message) {
    this.handlers.onMessage?.(message);
    if (message.type === "hello") {
      this.joined = false;
      this.handlers.onHello?.(message);
      this.#join();
    } else if (message.type === "calibrate.state") {
      this.joined = true;
      this.saved = message.saved !== null;
      this.#notice = noticeText(message);
      if (!element("take-over").hidden) this.#failed = null;
      element("take-over").hidden = true;
    } else if (message.type === "error") {
      return this.#error(message);
    } else if (message.type === "bye" && this.ending) {
      this.#connection.close();
      this.handlers.onEnded();
    } else if (message.type === "bye" && !this.saved) {
      this.fail(text("session.closed", { reason: message.reason || message.code }));
    }
    this.handlers.receive[message.type]?.(message);
    this.showNotice();
  }

  #error(message) {
    if (this.handlers.onError?.(message)) return;
    if (message.code === "page_taken") {
      this.joined = false;
      element("take-over").hidden = false;
      this.handlers.onTaken();
      const address = message.message.match(/\bat ([\w.:]+)/)?.[1] ?? "–";
      this.fail(this.handlers.takenText(address), Infinity);
    } else if (message.code === "passphrase_needed" || message.code === "passphrase_wrong") {
      this.fail(text("passphrase.title"), Infinity);
      this.#passphrasePrompt.ask(message.code === "passphrase_wrong");
    } else if (message.code === "not_allowed") {
      this.fail(VIEWER_TEXT, Infinity);
    } else if (message.code === "unknown_type") {
      this.fail(text("session.none"), Infinity);
    } else if (!OF_THE_CAMERA.includes(message.code)) {
      this.fail(this.handlers.errorText?.(message) ?? optionalText(`session.error.${message.code}`) ?? message.message);
    }
  }
}

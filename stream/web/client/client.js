// A client of mtclar.v1 for browsers and Node: reconnects, subscribes again, and reports what it missed. No dependency.

import { Gaps, Inbox } from "./inbox.js";

const PROTOCOL = "mtclar.v1";
const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 5;
const POLICY_VIOLATION = 1008; // RFC 6455
const ANSWER_TIMEOUT_S = 10;
const REFUSED = [401, 403, 404]; // by HTTP: a later try would be refused too
const TOKEN_ERRORS = ["token_required", "bad_token", "too_many_guesses"];

const now_s = () => performance.now() / 1000;

/** `code` is unreachable, refused, not_a_server, closed, or that of the server's `error`. */
export class ClientError extends Error {
  constructor(code, message) {
    super(message);
    this.name = "ClientError";
    this.code = code;
  }
}

/** See client.d.ts, which says what each member does. */
export class Client {
  hello = null;
  #url;
  #options;
  #WebSocket;
  #token;
  #socket = null;
  #state = "closed";
  #live = false;
  #bye = null;
  #failures = 0;
  #timer = null;
  #retryAt_s = 0; // 0: no try is due
  #refusal = null; // {status, text}: why the server refuses this page
  #lostAt_s = null;
  #disconnected_s = 0; // in total
  #subscription = null; // the last `subscribe`, repeated after every reconnection
  #subscribing = false; // it is not answered yet
  #subscribed = false; // on this connection
  #requests = []; // {message, isAnswer, resolve, reject}, the first one sent: an error does not say what it answers
  #inboxes = new Set();
  #gaps = new Gaps();
  #onOnline = () => this.retryNow();

  constructor(url, options = {}) {
    this.#url = websocketUrl(url);
    this.#options = options;
    this.#token = options.token ?? null;
    this.#WebSocket = options.WebSocket ?? globalThis.WebSocket;
    if (!this.#WebSocket) throw new ClientError("unreachable", "there is no WebSocket: use Node 22, or give { WebSocket } of the package ws");
  }

  get state() {
    return this.#state;
  }

  open() {
    clearTimeout(this.#timer);
    if (["closed", "ended"].includes(this.#state)) globalThis.addEventListener?.("online", this.#onOnline);
    this.#retryAt_s = 0;
    this.#bye = null;
    this.#setState("connecting");
    const socket = new this.#WebSocket(this.#url, PROTOCOL);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      if (this.#token !== null) socket.send(JSON.stringify({ type: "hello", token: this.#token }));
    };
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#onMessage(event.data);
    };
    socket.onerror = () => {}; // `close` follows
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#onClosed(event); // else replaced by `open`
    };
  }

  close() {
    this.#end(null);
  }

  useToken(token) {
    this.#token = token;
    this.#failures = 0;
    this.open();
  }

  retryNow() {
    if (this.#retryAt_s) this.open();
  }

  send(message) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(message instanceof ArrayBuffer || message instanceof Blob ? message : JSON.stringify(message));
    return true;
  }

  subscribe(subscription = {}) {
    return this.#ask({ type: "subscribe", ...subscription }, (message) => message.type === "subscribed");
  }

  mark(label, stream = null) {
    return this.#ask({ type: "mark", label, stream }, (told) => told.type === "mark" && told.label === label && told.stream === stream);
  }

  assign(stream, face, subject) {
    const isAnswer = (told) => told.type === "assigned" && told.stream === stream && told.face === face && told.subject === subject;
    return this.#ask({ type: "assign", stream, face, subject }, isAnswer);
  }

  history(seconds = 30) {
    return this.#ask({ type: "history", seconds }, (told) => told.type === "history");
  }

  setThresholds(thresholds) {
    return this.#ask({ type: "thresholds", thresholds }, (told) => told.type === "thresholds");
  }

  unixSeconds(t_capture) {
    const { unix, monotonic } = this.hello.clock;
    return t_capture - monotonic + unix;
  }

  async *[Symbol.asyncIterator]() {
    yield* this.#messages();
  }

  async *affect(subscription = {}) {
    for await (const message of this.#messages(subscription)) {
      if (message.type === "affect") yield message;
      else if (message.type === "gap") console.warn(`${message.stream}: ${message.missed ?? "unknown many"} messages missed, ${message.disconnected_s.toFixed(1)} s without connection`);
    }
  }

  async *#messages(subscription = null) {
    const inbox = new Inbox();
    this.#inboxes.add(inbox);
    const opens = ["closed", "ended"].includes(this.#state);
    try {
      if (opens) this.open();
      if (subscription) await this.subscribe(subscription);
      yield* inbox.messages();
    } finally {
      this.#inboxes.delete(inbox);
      if (opens) this.close();
    }
  }

  // --- what is asked ---

  #ask(message, isAnswer) {
    const lasting = message.type === "subscribe";
    const answered = new Promise((resolve, reject) => {
      if (!lasting && !this.#live) reject(new ClientError("unreachable", "there is no connection to the server"));
      else this.#requests.push({ message, isAnswer, lasting, resolve, reject });
    });
    answered.catch(() => {}); // who ignores the promise gets the server's `error` as a message
    if (this.#requests.length === 1) this.#sendRequest();
    return answered;
  }

  #sendRequest() {
    const request = this.#requests[0];
    if (!request) return;
    if (request.lasting) {
      request.before = this.#subscription;
      this.#subscription = request.message;
      this.#subscribing = true;
      this.#gaps.clear();
      for (const inbox of this.#inboxes) inbox.forget();
    }
    if (this.#live) this.send(request.message);
    if (!request.lasting) setTimeout(() => this.#giveUp(request), 1000 * ANSWER_TIMEOUT_S).unref?.();
  }

  #giveUp(request) {
    if (request !== this.#requests[0]) return;
    this.#requests.shift().reject(new ClientError("unreachable", `the server did not answer within ${ANSWER_TIMEOUT_S} s`));
    this.#sendRequest();
  }

  #onAnswer(message) {
    if (!["error", "subscribed", "mark", "assigned", "history", "thresholds"].includes(message.type)) return;
    const refusal = message.type === "error" ? new ClientError(message.code, `the server refused it: ${message.message}`) : null;
    const request = this.#requests[0];
    if (this.#subscribing && (refusal || message.type === "subscribed")) {
      this.#subscribing = false;
      this.#subscribed = true;
      if (!request?.lasting) {
        if (refusal && !this.#options.keepTrying) this.#end(refusal); // the subscription of before, on a new connection
        return;
      }
    }
    if (!request || !(refusal || request.isAnswer(message))) return;
    this.#requests.shift();
    if (!refusal) request.resolve(message);
    else {
      if (request.lasting) this.#subscription = request.before;
      request.reject(refusal);
    }
    this.#sendRequest();
  }

  // --- what comes ---

  #onMessage(data) {
    if (typeof data !== "string") {
      this.#options.onBytes?.(data);
      return;
    }
    const message = parsed(data);
    if (message === null) {
      this.#end(new ClientError("not_a_server", `${this.#url} does not speak ${PROTOCOL}`));
      return;
    }
    if (message.type === "error" && TOKEN_ERRORS.includes(message.code)) {
      if (message.code !== "token_required" || this.#token === null) this.#onDenied(message);
      return;
    }
    if (message.type === "hello") this.#onHello(message);
    else if (message.type === "clock" && this.hello) this.hello.clock = { unix: message.unix, monotonic: message.monotonic };
    else if (message.type === "bye") this.#bye = message;
    if (message.type !== "affect" || this.#isWanted(message)) this.#deliver(message);
    this.#onAnswer(message);
  }

  #onHello(message) {
    this.hello = message;
    if (this.#live) return; // the streams have changed; the subscription stays as it was
    this.#failures = 0;
    this.#live = true;
    this.#subscribed = false;
    this.#refusal = null;
    if (this.#lostAt_s !== null) this.#disconnected_s += now_s() - this.#lostAt_s;
    this.#lostAt_s = null;
    this.#setState("live");
    if (this.#subscription) {
      this.#subscribing = true;
      this.send(this.#subscription);
    }
  }

  /** Not what was sent before the server knew the subscription. */
  #isWanted({ stream }) {
    if (this.#subscription && !this.#subscribed) return false;
    return (this.#subscription?.streams ?? [stream]).some((name) => matches(name, stream));
  }

  #deliver(message) {
    const { delivery, max_hz } = this.#subscription ?? {};
    const item = { message, session: this.hello?.session, disconnected_s: this.#disconnected_s, max_hz };
    if (this.#options.onMessage) {
      const gap = this.#gaps.before(item);
      if (gap) this.#options.onMessage(gap);
      this.#options.onMessage(message);
    }
    for (const inbox of this.#inboxes) inbox.put(item, delivery === "all");
  }

  /** Stops: another try needs another token. */
  #onDenied({ code, message }) {
    const wrong = code !== "token_required";
    if (!this.#options.onTokenNeeded) {
      this.#end(new ClientError(code, wrong ? `wrong token for this server: ${message}` : "this server requires a token"));
      return;
    }
    this.#drop();
    this.#setState("denied");
    this.#options.onTokenNeeded(wrong);
  }

  // --- losses ---

  async #onClosed({ code, reason }) {
    const { keepTrying, reconnect = true } = this.#options;
    const [wasLive, bye] = [this.#live, this.#bye];
    this.#live = false;
    if (wasLive) this.#lostAt_s = now_s();
    const lost = new ClientError("unreachable", `the connection was lost${reason ? `: ${reason}` : ""}`);
    const [first] = this.#requests;
    this.#requests = this.#requests.filter((request) => request.lasting || request.reject(lost));
    if (first !== this.#requests[0]) this.#sendRequest();
    if (!keepTrying) {
      if (wasLive && code === POLICY_VIOLATION) return this.#end(new ClientError("refused", `the server rejected this client: ${reason}`));
      if (bye?.code === "ended" || (bye?.code === "shutdown" && !reconnect)) return this.#end(null);
      if (bye && !reconnect) return this.#end(new ClientError("unreachable", `the server failed: ${bye.reason}`));
      if (wasLive && !reconnect) return this.#end(lost);
    }
    const wait_s = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** this.#failures) * (0.7 + 0.3 * Math.random());
    this.#failures += 1;
    this.#retryAt_s = now_s() + wait_s;
    if (keepTrying || this.hello) this.#countDown();
    if (!wasLive) await this.#askWhy();
  }

  /** A browser does not say why a websocket was refused; the same address answers it to a plain request. */
  async #askWhy() {
    const socket = this.#socket;
    this.#refusal = await refusalOf(this.#url);
    if (this.#socket !== socket || !this.#retryAt_s) return; // it has gone on meanwhile
    const { status, text } = this.#refusal ?? {};
    if (!this.#options.keepTrying && (!this.hello || REFUSED.includes(status))) {
      const may = globalThis.location ? `, or it refuses pages of ${location.origin}: start it with --origin ${location.origin}` : "";
      const unreachable = new ClientError("unreachable", `cannot reach ${this.#url}: is mtclar-stream running there?${may}`);
      this.#end(status ? new ClientError("refused", `${this.#url} refuses this client (${status}): ${text}`) : unreachable);
      return;
    }
    this.#setState("waiting", this.#left_s(), this.#refusal);
  }

  #left_s() {
    return Math.ceil(Math.max(0, this.#retryAt_s - now_s()));
  }

  #countDown() {
    if (!this.#retryAt_s) return;
    const left_s = this.#retryAt_s - now_s();
    if (left_s <= 0) {
      this.retryNow();
      return;
    }
    this.#setState("waiting", this.#left_s(), this.#refusal);
    this.#timer = setTimeout(() => this.#countDown(), Math.min(1000 * left_s, 1000));
  }

  #end(error) {
    if (["closed", "ended"].includes(this.#state)) return;
    this.#drop();
    globalThis.removeEventListener?.("online", this.#onOnline);
    const closed = error ?? new ClientError("closed", "this client is closed");
    for (const request of this.#requests.splice(0)) request.reject(closed);
    for (const inbox of this.#inboxes) inbox.end(error);
    this.#setState("ended", null, null, error);
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#live = false;
    this.#retryAt_s = 0;
    clearTimeout(this.#timer);
    socket?.close();
  }

  #setState(state, wait_s = null, refusal = null, error = null) {
    this.#state = state;
    this.#options.onState?.(state, wait_s, refusal, error);
  }
}

/** `/ws` is added where the path is missing; without `url` it is that of the server that the page came from. */
function websocketUrl(url) {
  if (url === undefined && !globalThis.document) throw new ClientError("refused", "give the address of the server: ws://127.0.0.1:8765");
  const parts = url === undefined ? new URL("ws", document.baseURI) : new URL(url);
  parts.protocol = parts.protocol.replace("http", "ws");
  if (parts.pathname === "/") parts.pathname = "/ws";
  return parts.href;
}

/** Whether a name or pattern of `subscribe` stands for this stream: each * is any text. */
function matches(name, stream) {
  if (!name.includes("*")) return name === stream;
  const escaped = name.split("*").map((text) => text.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(`^${escaped.join(".*")}$`, "s").test(stream);
}

function parsed(data) {
  try {
    const message = JSON.parse(data);
    return typeof message?.type === "string" ? message : null;
  } catch {
    return null;
  }
}

/** {status, text} of a server that refuses this client; null where there is no server or it does not say. */
async function refusalOf(url) {
  const headers = globalThis.location ? { "X-Page-Origin": location.origin } : {};
  try {
    const answer = await fetch(url.replace(/^ws/, "http"), { headers });
    const upgrade = answer.status === 426; // it speaks websocket: the refusal is over
    return answer.ok || upgrade ? null : { status: answer.status, text: (await answer.text()).trim().slice(0, 300) };
  } catch {
    return null;
  }
}

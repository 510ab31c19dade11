// The websocket to the server: sub-protocol mtclar.v1, reconnecting with backoff, token in the first message (never in a URL).

const PROTOCOL = "mtclar.v1";
const FIRST_WAIT_S = 0.5;
const LONGEST_WAIT_S = 5;

/**
 * Keeps one websocket open. Calls
 *   onMessage(object)          for every message of the server
 *   onState(state, wait_s, refusal)   connecting | live | waiting | denied; while waiting: seconds to the next try, and
 *                              {status, text} where the server answers and refuses this page
 *   onBytes(ArrayBuffer)       for every binary message, where it is given
 *   onTokenNeeded(wrong)       when the server requires a token; wrong: one was given and refused. Reply with useToken().
 */
export class Connection {
  constructor({ onMessage, onState, onTokenNeeded, onBytes }) {
    this.onMessage = onMessage;
    this.onBytes = onBytes;
    this.onState = onState;
    this.onTokenNeeded = onTokenNeeded;
    this.token = null; // in memory alone: a reload asks again
    this.subscription = null; // the last `subscribe`, repeated after every reconnection
    this.socket = null;
    this.live = false;
    this.failures = 0;
    this.timer = null;
    this.retryAt = 0;
    this.refusal = null; // {status, text}: why the server refused the websocket
    window.addEventListener("online", () => this.retryNow());
  }

  open() {
    clearTimeout(this.timer);
    this.retryAt = 0;
    this.onState("connecting");
    const url = new URL("ws", document.baseURI);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(url, PROTOCOL);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.onopen = () => {
      if (this.token !== null) socket.send(JSON.stringify({ type: "hello", token: this.token }));
    };
    socket.onmessage = (event) => this.#onMessage(event.data);
    socket.onclose = () => this.#onClosed(socket);
  }

  useToken(token) {
    this.token = token;
    this.failures = 0;
    this.open();
  }

  retryNow() {
    if (this.retryAt) this.open();
  }

  /** Asks for these optional fields of each face, now and after every reconnection. */
  subscribe(fields) {
    this.subscription = { type: "subscribe", fields };
    if (this.live) this.send(this.subscription);
  }

  /** Sends an object as JSON, or bytes; false while there is no connection. */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(message instanceof ArrayBuffer || message instanceof Blob ? message : JSON.stringify(message));
    return true;
  }

  #onMessage(data) {
    if (typeof data !== "string") {
      this.onBytes?.(data);
      return;
    }
    const message = JSON.parse(data);
    if (message.type === "hello") {
      this.failures = 0;
      this.live = true;
      this.refusal = null;
      this.onState("live");
      if (this.subscription) this.send(this.subscription);
    }
    const code = message.type === "error" ? message.code : "";
    if (code === "bad_token") this.#onDenied(true);
    else if (code !== "token_required") this.onMessage(message);
    else if (this.token === null) this.#onDenied(false);
  }

  /** Stops: another try needs another token. */
  #onDenied(wrong) {
    this.socket.close();
    this.socket = null;
    this.onState("denied");
    this.onTokenNeeded(wrong);
  }

  #onClosed(socket) {
    if (socket !== this.socket) return; // replaced by `open` or `useToken`
    if (!this.live) this.#askWhy();
    this.live = false;
    const wait_s = Math.min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** this.failures) * (0.7 + 0.3 * Math.random());
    this.failures += 1;
    this.retryAt = performance.now() + 1000 * wait_s;
    this.#countDown();
  }

  /** A browser does not say why a websocket was refused; the same address answers it to a plain request. */
  async #askWhy() {
    try {
      const answer = await fetch(new URL("ws", document.baseURI), { headers: { "X-Page-Origin": location.origin } });
      this.refusal = answer.ok ? null : { status: answer.status, text: (await answer.text()).trim().slice(0, 300) };
    } catch {
      this.refusal = null; // no server
    }
    if (this.retryAt) this.onState("waiting", Math.ceil(Math.max(0, this.retryAt - performance.now()) / 1000), this.refusal);
  }

  #countDown() {
    if (!this.retryAt) return;
    const left_ms = this.retryAt - performance.now();
    if (left_ms <= 0) {
      this.retryNow();
      return;
    }
    this.onState("waiting", Math.ceil(left_ms / 1000), this.refusal);
    this.timer = setTimeout(() => this.#countDown(), Math.min(left_ms, 1000));
  }
}

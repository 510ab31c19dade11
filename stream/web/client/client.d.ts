import type { Affect, Assigned, FromClient, FromServer, Hello, HistoryTold, MarkTold, Subscribe, Subscribed, Threshold, ThresholdsTold } from "./messages.js";

export type * from "./messages.js";

/** Messages of a stream that this client did not get; comes just before the next message of that stream. */
export interface Gap {
  type: "gap";
  stream: string;
  /** How many, by `seq`; null: unknown, as the server was started again. */
  missed: number | null;
  /** Seconds without connection meanwhile; 0: the program or the network was too slow. */
  disconnected_s: number;
}

/** Everything that a program receives. */
export type Message = FromServer | Gap;

/** What `subscribe` may choose; what is left out is the default. */
export type Subscription = Omit<Subscribe, "type">;

/** `denied`: another token is needed. `ended`: by `close`, by an error, or with the source of the server. */
export type State = "closed" | "connecting" | "live" | "waiting" | "denied" | "ended";

/** Why the server refuses this page: the status of HTTP, and its words. */
export interface Refusal {
  status: number;
  text: string;
}

/** What went wrong, as a sentence; `code` is that of the server's `error`, or one of those named here. */
export class ClientError extends Error {
  code: "unreachable" | "refused" | "not_a_server" | "closed" | (string & {});
}

export interface Options {
  /** Sent in the first message, never in the address. */
  token?: string | null;
  /** Whether a lost connection, or a server that stopped, is tried again every few seconds; true if left out. */
  reconnect?: boolean;
  /** For a page that shows the state itself: only `close` and a refused token end the client. */
  keepTrying?: boolean;
  /** The class, where there is none in the language: that of the package `ws` in Node before version 22. */
  WebSocket?: unknown;
  onMessage?: (message: Message) => void;
  /** Called once a second while waiting, with the seconds to the next try; `error` is why the client has ended. */
  onState?: (state: State, wait_s: number | null, refusal: Refusal | null, error: ClientError | null) => void;
  /** The server asks for a token; `wrong`: one was given. Reply with `useToken`. Without this the client ends. */
  onTokenNeeded?: (wrong: boolean) => void;
  /** Binary messages, of the calibration protocol. */
  onBytes?: (bytes: ArrayBuffer) => void;
}

/**
 * Receives the messages of a server.
 *
 *     for await (const { pts, faces } of new Client("ws://127.0.0.1:8765").affect()) console.log(pts, faces[0]?.valence);
 *
 * The loop that opens a client closes it. A loop that reads slowly gets fewer, fresher `affect` messages, and with
 * delivery `all` every one as long as no more than 1,024 wait.
 */
export class Client implements AsyncIterable<Message> {
  /** `url`: ws://HOST:PORT or wss://; left out in a page of the server itself. */
  constructor(url?: string, options?: Options);
  /** The latest, with the latest pair of clocks. */
  readonly hello: Hello | null;
  readonly state: State;
  /** Connects; a loop does so by itself. */
  open(): void;
  close(): void;
  /** Connects with another token. */
  useToken(token: string): void;
  /** Does not wait for the next try. */
  retryNow(): void;
  /** Every message, and each Gap. Throws ClientError. */
  [Symbol.asyncIterator](): AsyncGenerator<Message, void>;
  /** Subscribes and gives the `affect` messages alone; warns of each gap on the console. Throws ClientError. */
  affect(subscription?: Subscription): AsyncGenerator<Affect, void>;
  /** Chooses what comes from now on, also after each reconnection. Throws ClientError when the server refuses it. */
  subscribe(subscription?: Subscription): Promise<Subscribed>;
  /** Labels this moment for recordings; resolves with the server's time. Throws ClientError. */
  mark(label: string, stream?: string | null): Promise<MarkTold>;
  /** Gives a face the support set of a subject, or none. Throws ClientError. */
  assign(stream: string, face: number, subject: string | null): Promise<Assigned>;
  /** What the server sent in the last seconds, thinned, with the subscribed streams and fields. Throws ClientError. */
  history(seconds?: number): Promise<HistoryTold>;
  /** Replaces the thresholds that the server watches: a face that reaches one is an `event` to all. Throws ClientError. */
  setThresholds(thresholds: Threshold[]): Promise<ThresholdsTold>;
  /** Sends any message as JSON, or bytes; false while there is no connection. */
  send(message: FromClient | object | ArrayBuffer | Blob): boolean;
  /** A time of capture in seconds since 1970. */
  unixSeconds(t_capture: number): number;
}

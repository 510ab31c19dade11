// A client of mtclar.v1 that shares no code with the server: Node and npm's ws.
//
//     node client.mjs URL [MESSAGE ...]
//
// Says each MESSAGE once the server has said hello; a first one of type hello is said at once, since it carries the
// token. Prints {"opened": sub-protocol}, every message of the server as it came, and {"closed": code}.

import process from "node:process";
import WebSocket from "ws";

const [url, ...messages] = process.argv.slice(2);
const print = (text) => process.stdout.write(`${text}\n`);
const isHello = (text) => JSON.parse(text).type === "hello";

const socket = new WebSocket(url, ["mtclar.v1"], { perMessageDeflate: true });

socket.on("open", () => {
  print(JSON.stringify({ opened: socket.protocol, extensions: socket.extensions }));
  if (messages.length > 0 && isHello(messages[0])) socket.send(messages.shift());
});

socket.on("message", (data, isBinary) => {
  if (isBinary) throw new Error("mtclar.v1 has no binary message from the server");
  const text = data.toString("utf8");
  print(text);
  if (isHello(text)) messages.forEach((message) => socket.send(message));
});

socket.on("close", (code) => print(JSON.stringify({ closed: code })));
socket.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});

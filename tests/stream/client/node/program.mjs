// A program that uses the client, told what to do on its standard input and saying on its output what it got.
//
//     node program.mjs URL SETTINGS
//
// SETTINGS is JSON: {options, subscription, all, ws, count}. Prints each item of the loop as {"got": item}, and
// {"state": ...}, {"ended": null or the error's code, "message": ...}. A line of input is [method, ...arguments].

import process from "node:process";
import { createInterface } from "node:readline";
import { Client } from "mtclar-client";

const [url, text] = process.argv.slice(2);
const { options = {}, subscription, all = false, ws = true, count = Infinity } = JSON.parse(text);
const print = (content) => process.stdout.write(`${JSON.stringify(content)}\n`);
if (ws) options.WebSocket = (await import("ws")).default;

const client = new Client(url, { ...options, onState: (state) => print({ state }) });
const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  const [method, ...given] = JSON.parse(line);
  if (method === "block") {
    const until = performance.now() + given[0];
    while (performance.now() < until); // as a program that computes
    return;
  }
  Promise.resolve(client[method](...given)).then(
    (answer) => print({ answer: answer ?? null }),
    (error) => print({ refused: error.code, message: error.message }),
  );
});

let left = count;
try {
  const items = all ? client : client.affect(subscription);
  if (all && subscription) client.subscribe(subscription);
  for await (const item of items) {
    print({ got: item });
    if (--left === 0) break;
  }
  print({ ended: null });
} catch (error) {
  print({ ended: error.code, message: error.message });
}
input.close();

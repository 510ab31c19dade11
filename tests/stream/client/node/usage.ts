// What the type checker must accept, and what it must refuse.

import { Client, ClientError, type Affect, type Gap, type Message } from "mtclar-client";

const client = new Client("ws://127.0.0.1:8765", { token: null, onState: (state, wait_s) => console.log(state, wait_s) });

export async function values(): Promise<number> {
  let sum = 0;
  for await (const message of client.affect({ streams: ["cam"], fields: ["sd", "box"], max_hz: 10, delivery: "latest" })) {
    const frame: Affect = message;
    for (const { valence, sd, box } of frame.faces) sum += (valence ?? 0) + (sd?.[0] ?? 0) + (box?.[3] ?? 0);
  }
  return sum;
}

export async function everything(): Promise<Gap[]> {
  const gaps: Gap[] = [];
  for await (const message of client) {
    switch (message.type) {
      case "gap":
        gaps.push(message);
        break;
      case "hello":
        console.log(message.streams.map((one) => one.label), client.unixSeconds(message.clock.monotonic));
        break;
      case "bye":
        console.log(message.reason);
    }
  }
  return gaps;
}

export function told(message: Message): string {
  return message.type === "status" ? message.state : "";
}

export async function marked(): Promise<number> {
  try {
    return (await client.mark("video starts")).t;
  } catch (error) {
    return error instanceof ClientError && error.code === "not_allowed" ? 0 : 1;
  }
}

// @ts-expect-error: there is no such field
client.subscribe({ fields: ["mood"] });
// @ts-expect-error: a state is a word of the protocol
export const wrong: Affect["faces"][0]["state"] = "fine";

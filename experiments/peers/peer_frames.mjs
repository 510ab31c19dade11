// Reads blocks of raw BGR frames from stdin and times `analyse(tensor)` on each: what both JavaScript peers share.
import { once } from 'node:events';

export async function answerBlocks(tf, width, height, analyse) {
  const size = width * height * 3;
  let held = Buffer.alloc(0);
  async function take(length) {
    const parts = [held];
    let have = held.length;
    while (have < length) {
      const chunk = process.stdin.read();
      if (chunk === null) {
        if (process.stdin.readableEnded) return null;
        await Promise.race([once(process.stdin, 'readable'), once(process.stdin, 'end')]);
        continue;
      }
      parts.push(chunk);
      have += chunk.length;
    }
    const all = Buffer.concat(parts);
    held = all.subarray(length);
    return all.subarray(0, length);
  }
  console.log(JSON.stringify({ ready: true }));
  for (;;) {
    const header = await take(8);
    if (header === null) return;
    const count = Number(header.readBigInt64LE());
    const raw = await take(count * size);
    const frames = [];
    for (let i = 0; i < count; i += 1) {
      const rgb = new Int32Array(size);
      for (let p = 0; p < size; p += 3) {
        rgb[p] = raw[i * size + p + 2];
        rgb[p + 1] = raw[i * size + p + 1];
        rgb[p + 2] = raw[i * size + p];
      }
      frames.push(tf.tensor3d(rgb, [height, width, 3], 'int32'));
    }
    const started = performance.now();
    const before = process.cpuUsage();
    let faces = 0;
    for (const frame of frames) faces += (await analyse(frame)) ? 1 : 0;
    const seconds = (performance.now() - started) / 1e3;
    const used = process.cpuUsage(before);
    const cpu = (used.user + used.system) / 1e6; // of all threads
    frames.forEach((frame) => frame.dispose());
    console.log(JSON.stringify({ seconds, cpu, faces }));
  }
}

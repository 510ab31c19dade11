// @vladmandic/human on WebAssembly: node peer_human.mjs WIDTH HEIGHT. Face finding, mesh and emotion; nothing else.
import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { answerBlocks } from './peer_frames.mjs';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const modules = path.join(process.cwd(), 'node_modules');
const { Human } = require(path.join(modules, '@vladmandic/human/dist/human.node-wasm.js')); // not among its package's exports
// Models lie on the disk, and Node's fetch does not read files.
globalThis.fetch = async (url) => new Response(await readFile(fileURLToPath(String(url))));
const human = new Human({
  backend: 'wasm',
  wasmPath: `${path.join(modules, '@tensorflow/tfjs-backend-wasm/dist')}/`,
  modelBasePath: `${pathToFileURL(path.join(modules, '@vladmandic/human/models')).href}/`,
  debug: false,
  filter: { enabled: false },
  face: { enabled: true, mesh: { enabled: true }, iris: { enabled: false }, description: { enabled: false }, emotion: { enabled: true } },
  body: { enabled: false }, hand: { enabled: false }, object: { enabled: false }, gesture: { enabled: false },
});
await human.load();
const [width, height] = process.argv.slice(2).map(Number);
await answerBlocks(human.tf, width, height, async (frame) => (await human.detect(frame)).face.length > 0);

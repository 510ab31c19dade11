// face-api.js (the maintained fork) on WebAssembly: node peer_faceapi.mjs WIDTH HEIGHT. Tiny detector and expressions.
import { createRequire } from 'node:module';
import path from 'node:path';
import { answerBlocks } from './peer_frames.mjs';

const require = createRequire(path.join(process.cwd(), 'package.json'));
const modules = path.join(process.cwd(), 'node_modules');
const wasm = require('@tensorflow/tfjs-backend-wasm');
const faceapi = require('@vladmandic/face-api/dist/face-api.node-wasm.js');
wasm.setWasmPaths(`${path.join(modules, '@tensorflow/tfjs-backend-wasm/dist')}/`);
await faceapi.tf.setBackend('wasm');
await faceapi.tf.ready();
const models = path.join(modules, '@vladmandic/face-api/model');
await faceapi.nets.tinyFaceDetector.loadFromDisk(models);
await faceapi.nets.faceExpressionNet.loadFromDisk(models);
const options = new faceapi.TinyFaceDetectorOptions({ inputSize: 416 });
const [width, height] = process.argv.slice(2).map(Number);
await answerBlocks(faceapi.tf, width, height, async (frame) =>
  (await faceapi.detectAllFaces(frame, options).withFaceExpressions()).length > 0);

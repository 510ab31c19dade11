// The messages of mtclar.v1, written by `python -m tools.client_types` from its JSON Schema. Meaning: docs/protocol.

export type Unit = number;

/** One face of one frame. */
export interface Face {
  id: number;
  subject: string | null;
  state: "ok" | "low_quality" | "held" | "lost";
  valence: Unit | null;
  arousal: Unit | null;
  calibrated: boolean;
  faults?: Array<string>;
  /** why the value of a face that was measured is less certain: blink, talking, mouth hidden */
  caveats?: Array<string>;
  /** x, y, width, height in pixels */
  box?: [number, number, number, number];
  /** yaw, pitch, roll in degrees */
  pose?: [number, number, number] | null;
  raw?: [number, number] | null;
  sd?: [number, number] | null;
  in_support?: boolean | null;
  /** the kinds of drift from the support set; empty without drift */
  drift?: Array<"unlike" | "darker" | "brighter" | "blurred" | "turned"> | null;
  nearest_similarity?: number | null;
  similarity?: Array<number>;
  absolute?: [number, number] | null;
  /** Coefficients by ARKit's names; null where the server computes none or the face was not seen. */
  blendshapes?: Record<string, number> | null;
}

/** One support set. */
export interface SupportSet {
  subject: string;
  frames: number;
  /** Valence and arousal that the person gave to each frame, in the order of `similarity`. */
  labels: Array<[Unit, Unit]>;
}

/** The first message to every client. */
export interface Hello {
  type: "hello";
  protocol: "mtclar.v1";
  server: string;
  session: string;
  /** What this client may do: a viewer only subscribes, a camera only sends pictures. */
  role?: "operator" | "viewer" | "camera";
  /** One moment on two clocks, seconds. */
  clock: {
    unix: number;
    monotonic: number;
  };
  /** The networks behind the values. */
  model: {
    id: string;
    sha256: string;
    backend: string;
  } | null;
  streams: Array<{
    stream: string;
    label: string;
    live: boolean;
    size: [number, number] | null;
    fps: number | null;
    freshness: "latest" | "paced" | "all";
    subjects: Array<SupportSet>;
    truth: boolean;
  }>;
  /** Pages in addition to the dashboard, by their paths. */
  pages?: Array<string>;
  /** Operators may ask for the picture of a stream. */
  preview?: boolean;
}

/** The faces of one frame. */
export interface Affect {
  type: "affect";
  stream: string;
  seq: number;
  frame: number;
  t_capture: number;
  clock: "arrival" | "rtcp" | "v4l2" | "file" | "client";
  pts: number;
  size: [number, number];
  /** Parts that add up to the total. */
  latency_ms: {
    queue: number;
    track: number;
    estimate: number;
    total: number;
  };
  dropped: number;
  faces: Array<Face>;
  truth?: [number, number];
}

/** The state of a source. */
export interface Status {
  type: "status";
  stream: string;
  state: "connecting" | "live" | "stalled" | "reconnecting" | "ended";
  retry_s: number | null;
  reason: string | null;
  reconnects: number;
}

/** The server's wall clock was set: this pair replaces that of hello. */
export interface Clock {
  type: "clock";
  unix: number;
  monotonic: number;
}

/** The subscription of this client, in reply to subscribe. */
export interface Subscribed {
  type: "subscribed";
  streams: Array<string> | null;
  max_hz: number | null;
  fields: Array<"faults" | "caveats" | "box" | "pose" | "raw" | "sd" | "in_support" | "drift" | "nearest_similarity" | "similarity" | "absolute" | "blendshapes">;
  delivery: "latest" | "all";
}

/** A mark of any client, sent to all. */
export interface MarkTold {
  type: "mark";
  label: string;
  t: number;
  stream: string | null;
}

/** The subject assigned to a face, sent to all. */
export interface Assigned {
  type: "assigned";
  stream: string;
  face: number;
  subject: string | null;
}

/** The support sets of a stream have changed since hello. */
export interface Subjects {
  type: "subjects";
  stream: string;
  /** The first affect message of the stream that uses them. */
  seq: number;
  subjects: Array<SupportSet>;
}

/** Whether the run is recorded: sent when that changes, and to new clients of a server that can record. */
export interface Recording {
  type: "recording";
  recording: boolean;
  session: string;
  since: number | null;
  video: boolean;
}

/** What is played of a recording: sent when a client changes it, at its end, and to new clients of a server that plays one. */
export interface Playback {
  type: "playback";
  /** false: paused. */
  playing: boolean;
  /** When this was sent, in seconds from the beginning. */
  position: number;
  /** How many seconds of the recording pass in a second. */
  speed: number;
  /** Of the recording, in seconds. */
  length: number;
  /** Of the whole recording, up to 1,000. */
  marks?: Array<{
    label: string;
    /** In seconds from the beginning. */
    position: number;
    /** null: all of them. */
    stream: string | null;
  }>;
}

/** A value of one axis, and for how many seconds a face must be on one side of it. */
export interface Threshold {
  axis: "valence" | "arousal";
  side: "above" | "below";
  value: number;
  seconds: number;
}

/** All thresholds that are watched: sent when they change, and to new clients. */
export interface ThresholdsTold {
  type: "thresholds";
  thresholds: Array<Threshold>;
}

/** A face has reached a threshold, or is no longer beyond it; sent to all. */
export interface Event {
  type: "event";
  event: "threshold";
  active: boolean;
  t: number;
  stream: string;
  face: number;
  subject: string | null;
  threshold: Threshold;
}

/** The latest messages of the subscribed streams, thinned, in order of time. */
export interface HistoryTold {
  type: "history";
  affect: Array<Affect>;
  marks: Array<MarkTold>;
  events: Array<Event>;
}

/** An error. */
export interface ServerError {
  type: "error";
  code: string;
  message: string;
}

/** This client is now the camera of a stream and may send pictures as binary messages. */
export interface CameraReady {
  type: "camera_ready";
  stream: string;
  number: number;
  max_bytes: number;
}

/** A picture of this client was accepted; it may send the next one. */
export interface FrameTaken {
  type: "frame_taken";
  stream: string;
  seq: number;
  t_arrived: number;
  t: number;
}

/** The last message. */
export interface Bye {
  type: "bye";
  code: "ended" | "shutdown" | "failed";
  reason: string;
}

/** The token. */
export interface ClientHello {
  type: "hello";
  token?: string;
}

/** Choose streams, fields, rate and delivery. */
export interface Subscribe {
  type: "subscribe";
  streams?: Array<string> | null;
  max_hz?: number | null;
  fields?: Array<"faults" | "caveats" | "box" | "pose" | "raw" | "sd" | "in_support" | "drift" | "nearest_similarity" | "similarity" | "absolute" | "blendshapes"> | null;
  delivery?: "latest" | "all";
}

/** A label for the current moment, for recordings. */
export interface Mark {
  type: "mark";
  label: string;
  stream?: string | null;
}

/** Assign a subject's support set to a face; null removes it. */
export interface Assign {
  type: "assign";
  stream: string;
  face: number;
  subject: string | null;
}

/** Ask to be the camera of a stream of --source browser. */
export interface Camera {
  type: "camera";
  stream?: string | null;
}

/** Begin a recording, or end it. */
export interface RecordCommand {
  type: "record";
  recording: boolean;
  session?: string;
}

/** Play the recording on, pause it, move to a position, or change the speed; what is left out stays. */
export interface Play {
  type: "play";
  playing?: boolean | null;
  position?: number | null;
  speed?: number | null;
}

/** Ask for the latest messages of the subscribed streams. */
export interface HistoryRequest {
  type: "history";
  seconds?: number;
}

/** Ask for the picture of a stream, as binary messages; null ends it. */
export interface PreviewCommand {
  type: "preview";
  stream: string | null;
}

/** Replace all thresholds. */
export interface ThresholdsCommand {
  type: "thresholds";
  thresholds: Array<{
    axis: "valence" | "arousal";
    side: "above" | "below";
    value: number;
    seconds?: number;
  }>;
}

export type FromServer = Hello | Affect | Status | Clock | Subscribed | MarkTold | ServerError | Bye | CameraReady | FrameTaken | Assigned | Subjects | Recording | Playback | ThresholdsTold | Event | HistoryTold;

export type FromClient = ClientHello | Subscribe | Mark | Camera | Assign | RecordCommand | Play | HistoryRequest | ThresholdsCommand | PreviewCommand;

// The recorded sessions: replay, export as files, delete.

import { element, make } from "../shared/dom.js";
import { text } from "../shared/texts.js";
import { dateText, empty, lengthText, List, row } from "./rows.js";

const FORMATS = { csv: "CSV", parquet: "Parquet", elan: "ELAN", nova: "NOVA" };

export class Sessions {
  constructor({ send, ask, watch }) {
    Object.assign(this, { send, ask, watch });
    this.list = new List(element("session-list"), (list, content) => this.#draw(list, content));
  }

  show({ sessions, can_record, job }) {
    this.list.show({ sessions, can_record, busy: job !== null });
  }

  #draw(list, { sessions, can_record, busy }) {
    if (!sessions.length) empty(list, text(can_record ? "studio.sessions.none" : "studio.sessions.impossible"));
    for (const session of sessions) {
      const { name } = session;
      const title = session.session || text("studio.session.unnamed");
      row(list, {
        link: `sessions/${name}`,
        name: title,
        lines: linesOf(session),
        tools: session.problem
          ? [this.#delete(name, title)]
          : [
              { words: text("studio.replay"), onClick: () => this.#replay(name) },
              session.complete && this.#export(name, title, busy),
              session.complete && this.#delete(name, title),
            ],
      });
    }
  }

  #replay(session) {
    this.watch("replay", { session }, ({ kind, source }) => kind === "session" && source.endsWith(session));
  }

  #export(session, title, busy) {
    const choice = make("select", "small", document.createElement("div"));
    choice.setAttribute("aria-label", text("studio.export", { name: title }));
    choice.append(new Option(text("studio.export.short"), ""));
    for (const [to, name] of Object.entries(FORMATS)) choice.append(new Option(name, to));
    choice.disabled = busy;
    choice.addEventListener("change", () => {
      if (choice.value) this.send("export", { session, to: choice.value });
      choice.value = "";
    });
    return choice;
  }

  #delete(session, title) {
    return {
      words: text("studio.delete"),
      onClick: () => this.ask(text("studio.delete-session", { name: title }), text("studio.delete-session.words"), () => this.send("delete_session", { session })),
    };
  }
}

function linesOf({ started, length_s, participant, sources, complete, video, problem }) {
  if (problem) return [{ words: problem, kind: "warn" }];
  const facts = [dateText(started), length_s === null ? null : lengthText(length_s), participant, sources.join(", "), video ? text("studio.session.video") : null];
  return [{ words: facts.filter(Boolean).join(" · ") }, !complete && { words: text("studio.session.running"), kind: "warn" }];
}

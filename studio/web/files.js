// Recorded files: chosen in a dialog that shows the folders of the server's machine, then played, analysed or rated.

import { element, make, setText } from "../shared/dom.js";
import { decimal, text } from "../shared/texts.js";
import { List, row } from "./rows.js";

export class Files {
  #file = null; // path of the chosen one

  constructor(send) {
    this.send = send;
    this.people = new List(element("file-participant"), (select, names) => {
      select.append(new Option(text("studio.files.nobody"), ""), ...names.map((name) => new Option(name)));
    });
    this.results = new List(element("result-list"), (list, results) => this.#drawResults(list, results));
    element("choose").addEventListener("click", () => {
      send("browse");
      element("browse").showModal();
    });
    element("file-play").addEventListener("click", () => {
      const participant = element("file-participant").value;
      send("start", { source: this.#file, participants: participant ? [participant] : [] });
      location.assign("live");
    });
    element("file-analyse").addEventListener("click", () => {
      send("analyse", { file: this.#file, participant: element("file-participant").value || null });
    });
    for (const [id, how] of [["file-rate", "continuous"], ["file-label", "pick"]]) {
      element(id).addEventListener("click", () => {
        const participant = element("file-participant").value || baseName(this.#file).replace(/\.[^.]*$/, "");
        send("rate", { file: this.#file, participant, how, rater: element("file-rater").value.trim() || null });
      });
    }
  }

  show({ participants, results, job }) {
    this.people.show(participants.filter(({ encrypted, problem }) => !encrypted && !problem).map(({ name }) => name));
    this.results.show(results);
    element("results-title").hidden = results.length === 0;
    element("job").hidden = job === null;
    if (job) {
      setText(element("job-words"), text(`studio.job.${job.kind}`, { name: job.name, percent: decimal(100 * job.share, 0) }));
      element("job-share").value = job.share;
    }
    for (const id of ["file-analyse", "file-rate", "file-label"]) element(id).disabled = job !== null;
  }

  /** The file that the address names. */
  chooseLinked(file) {
    this.#file = file || null;
    element("file-actions").hidden = !this.#file;
    element("chosen").hidden = !this.#file;
    setText(element("chosen"), this.#file ? baseName(this.#file) : "");
  }

  showFolder({ folder, parent, folders, files }) {
    setText(element("browse-folder"), folder);
    const list = element("entries");
    list.replaceChildren();
    const open = (path) => this.send("browse", { folder: path });
    if (parent !== null) entry(list, `↑ ${text("studio.files.up")}`, () => open(parent));
    for (const name of folders) entry(list, `${name}/`, () => open(joined(folder, name)));
    for (const name of files) {
      entry(list, name, () => {
        element("browse").close();
        location.hash = `files/${encodeURIComponent(joined(folder, name))}`;
      });
    }
    if (!files.length) setText(make("li", "empty", list), text("studio.files.none"));
  }

  #drawResults(list, results) {
    for (const name of results) {
      row(list, { name, tools: [{ words: text("studio.download"), onClick: () => this.send("download", { result: name }) }] });
    }
  }
}

const baseName = (path) => path.split(/[\\/]/).at(-1);

const joined = (folder, name) => `${folder.replace(/[\\/]$/, "")}${folder.includes("\\") ? "\\" : "/"}${name}`;

function entry(list, words, onClick) {
  const button = make("button", "", make("li", "", list));
  button.type = "button";
  setText(button, words);
  button.addEventListener("click", onClick);
}

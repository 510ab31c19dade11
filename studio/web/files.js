// Recorded files: chosen in a dialog that shows the folders of the server's machine, then played, analysed or rated.

import { element, make, setText } from "../shared/dom.js";
import { decimal, text } from "../shared/texts.js";
import { List, row } from "./rows.js";

export class Files {
  #file = null; // path of the chosen one
  #labels = null; // path of the label file that a rating begins with
  #choosing = "files"; // or "labels": what the dialog lists

  constructor(send, watch) {
    this.send = send;
    this.people = new List(element("file-participant"), (select, names) => {
      select.append(new Option(text("studio.files.nobody"), ""), ...names.map((name) => new Option(name)));
    });
    this.results = new List(element("result-list"), (list, results) => this.#drawResults(list, results));
    element("choose").addEventListener("click", () => this.#browse("files"));
    element("file-labels").addEventListener("click", () => {
      if (this.#labels === null) this.#browse("labels");
      else this.#setLabels(null);
    });
    element("file-play").addEventListener("click", () => {
      const participant = element("file-participant").value;
      watch("start", { source: this.#file, participants: participant ? [participant] : [] }, ({ kind }) => kind === "file");
    });
    element("file-analyse").addEventListener("click", () => {
      send("analyse", { file: this.#file, participant: element("file-participant").value || null });
    });
    for (const [id, how] of [["file-rate", "continuous"], ["file-label", "pick"]]) {
      element(id).addEventListener("click", () => {
        const participant = element("file-participant").value || baseName(this.#file).replace(/\.[^.]*$/, "");
        const labels = how === "pick" ? this.#labels : null;
        send("rate", { file: this.#file, participant, how, rater: element("file-rater").value.trim() || null, labels });
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
    if (this.#file !== (file || null)) this.#setLabels(null);
    this.#file = file || null;
    element("file-actions").hidden = !this.#file;
    element("chosen").hidden = !this.#file;
    setText(element("chosen"), this.#file ? baseName(this.#file) : "");
  }

  #browse(what) {
    this.#choosing = what;
    const title = text(what === "files" ? "studio.files.choose" : "studio.files.labels.choose");
    setText(element("browse-title"), title);
    this.send("browse", this.#file ? { folder: folderOf(this.#file) } : {});
    element("browse").showModal();
  }

  #setLabels(path) {
    this.#labels = path;
    setText(element("file-labels"), path === null ? text("studio.files.labels") : text("studio.files.labels.chosen", { file: baseName(path) }));
  }

  showFolder({ folder, parent, folders, files, labels }) {
    setText(element("browse-folder"), folder);
    const list = element("entries");
    list.replaceChildren();
    const open = (path) => this.send("browse", { folder: path });
    if (parent !== null) entry(list, `↑ ${text("studio.files.up")}`, () => open(parent));
    for (const name of folders) entry(list, `${name}/`, () => open(joined(folder, name)));
    const shown = this.#choosing === "files" ? files : labels;
    for (const name of shown) {
      entry(list, name, () => {
        element("browse").close();
        const path = joined(folder, name);
        if (this.#choosing === "labels") this.#setLabels(path);
        else location.hash = `files/${encodeURIComponent(path)}`;
      });
    }
    if (!shown.length) setText(make("li", "empty", list), text(this.#choosing === "files" ? "studio.files.none" : "studio.files.labels.none"));
  }

  #drawResults(list, results) {
    for (const name of results) {
      row(list, { name, tools: [{ words: text("studio.download"), onClick: () => this.send("download", { result: name }) }] });
    }
  }
}

const baseName = (path) => path.split(/[\\/]/).at(-1);

const folderOf = (path) => path.slice(0, -baseName(path).length);

const joined = (folder, name) => `${folder.replace(/[\\/]$/, "")}${folder.includes("\\") ? "\\" : "/"}${name}`;

function entry(list, words, onClick) {
  const button = make("button", "", make("li", "", list));
  button.type = "button";
  setText(button, words);
  button.addEventListener("click", onClick);
}

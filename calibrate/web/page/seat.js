// Who is calibrated, and on which stream, where the server offers more than one: a choice that a reload remembers.

const KEPT = "mtclar-calibrate"; // in this tab alone

/** Calls onChoose() when the person chooses; `wish` is what `join` has to name then. */
export class Seat {
  constructor({ line, words, select }, onChoose) {
    Object.assign(this, { line, words, select });
    this.choices = [];
    this.people = 0;
    this.wish = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    select.addEventListener("change", () => {
      const { stream, subject } = this.choices[select.selectedIndex];
      this.wish = { stream, subject };
      sessionStorage.setItem(KEPT, JSON.stringify(this.wish));
      onChoose();
    });
  }

  /** There are several people, and nobody has said who sits here: the server would take the first one. */
  get undecided() {
    return this.people > 1 && this.wish.subject === undefined;
  }

  /** What was chosen is not offered here, by another server perhaps; false when nothing was. */
  forget() {
    const chosen = Object.keys(this.wish).length > 0;
    this.wish = {};
    sessionStorage.removeItem(KEPT);
    return chosen;
  }

  /** The people and streams that the server offers; none where there is nothing to choose. */
  offer(choices) {
    this.choices = choices;
    this.people = new Set(choices.map(({ subject }) => subject)).size;
    const people = this.people > 1;
    const streams = new Set(choices.map(({ stream }) => stream)).size > 1;
    const same = (one, other) => one !== other && one.label === other.label && one.stream !== other.stream;
    this.line.hidden = choices.length === 0;
    this.words.textContent = people ? "Who you are" : "Where you are";
    this.select.replaceChildren(
      ...choices.map((choice) => {
        const place = choices.some((other) => same(choice, other)) ? `${choice.label} (${choice.stream})` : choice.label;
        return new Option([people && choice.subject, streams && place].filter(Boolean).join(" · "));
      }),
    );
    this.select.selectedIndex = -1;
  }

  /** Where the server says that this page sits. */
  show({ stream, subject }) {
    const at = this.choices.findIndex((choice) => choice.stream === stream && choice.subject === subject);
    if (at >= 0) this.select.selectedIndex = at;
  }
}

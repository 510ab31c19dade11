// Who is calibrated, and on which stream, where the server offers more than one: a choice that a reload remembers.

const KEPT = "mtclar-calibrate"; // in this tab alone

/** Calls onChoose() when the person chooses; `wish` is what `join` has to name then. */
export class Seat {
  constructor({ line, words, select }, onChoose) {
    Object.assign(this, { line, words, select });
    this.choices = [];
    this.wish = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    select.addEventListener("change", () => {
      const { stream, subject } = this.choices[select.selectedIndex];
      this.wish = { stream, subject };
      sessionStorage.setItem(KEPT, JSON.stringify(this.wish));
      onChoose();
    });
  }

  /** What was chosen is not offered here, by another server perhaps; false when nothing was. */
  forget() {
    const chosen = Object.keys(this.wish).length > 0;
    this.wish = {};
    sessionStorage.removeItem(KEPT);
    return chosen;
  }

  /** The people and streams that the server offers. */
  offer(choices) {
    this.choices = choices;
    const people = new Set(choices.map(({ subject }) => subject)).size > 1;
    const streams = new Set(choices.map(({ stream }) => stream)).size > 1;
    const same = (one, other) => one !== other && one.label === other.label && one.stream !== other.stream;
    this.line.hidden = false;
    this.words.textContent = people ? "Who you are" : "Where you are";
    this.select.replaceChildren(
      ...choices.map((choice) => {
        const place = choices.some((other) => same(choice, other)) ? `${choice.label} (${choice.stream})` : choice.label;
        return new Option([people && choice.subject, streams && place].filter(Boolean).join(" · "));
      }),
    );
  }

  /** Where the server says that this page sits. */
  show({ stream, subject }) {
    const at = this.choices.findIndex((choice) => choice.stream === stream && choice.subject === subject);
    if (at >= 0) this.select.selectedIndex = at;
  }
}

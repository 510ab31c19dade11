// Helpers for the page's nodes. Text from elsewhere is set by textContent alone.

export const element = (id) => document.getElementById(id);

/** Sets a text only when it changed: an aria-live region must not repeat itself. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function make(tag, className, parent) {
  const node = document.createElement(tag);
  node.className = className;
  parent.append(node);
  return node;
}

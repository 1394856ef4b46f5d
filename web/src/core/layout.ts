/** Pixels between tiles. */
const gap = 8;
/** Width to height that suits most pictures of people. */
const shape = 4 / 3;

/** The number of columns in which `count` tiles become largest in a box of the given size in pixels. */
export function columnsFor(count: number, width: number, height: number): number {
  let best = 1;
  let largest = 0;
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const across = (width - gap * (columns - 1)) / columns;
    const down = (height - gap * (rows - 1)) / rows;
    const size = Math.min(across, down * shape);
    if (size > largest * 1.01) {
      largest = size;
      best = columns;
    }
  }
  return best;
}

/** At most two letters that stand for a person while there is no picture. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean);
  const picked = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return picked.map((word) => Array.from(word ?? '')[0]?.toLocaleUpperCase() ?? '').join('');
}

import type { IconNode } from 'lucide';

const svgSpace = 'http://www.w3.org/2000/svg';

/** Draws one icon of the set beside a label; never alone, so it is hidden from screen readers. */
export class ClIcon extends HTMLElement {
  private shown: IconNode | undefined;

  set icon(icon: IconNode) {
    if (icon === this.shown) return;
    this.shown = icon;
    const svg = document.createElementNS(svgSpace, 'svg');
    const frame = {
      viewBox: '0 0 24 24',
      width: '1.375em',
      height: '1.375em',
      fill: 'none',
      stroke: 'currentColor',
      'stroke-width': '2',
      'stroke-linecap': 'round',
      'stroke-linejoin': 'round',
      focusable: 'false',
    };
    for (const [name, value] of Object.entries(frame)) svg.setAttribute(name, value);
    for (const [tag, attributes] of icon) {
      const shape = document.createElementNS(svgSpace, tag);
      for (const [name, value] of Object.entries(attributes)) {
        if (value !== undefined) shape.setAttribute(name, String(value));
      }
      svg.append(shape);
    }
    // Presentation attributes, not a style attribute: a strict content security policy forbids the latter.
    svg.setAttribute('display', 'block');
    this.setAttribute('aria-hidden', 'true');
    this.replaceChildren(svg);
  }
}

customElements.define('cl-icon', ClIcon);

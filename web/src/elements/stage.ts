import { LitElement, css, html, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { repeat } from 'lit/directives/repeat.js';
import type { I18n } from '../core/i18n';
import { columnsFor } from '../core/layout';
import type { Person } from '../core/people';
import { base } from './styles';
import './tile';

/** Arranges the pictures: two people as a pair, more as a grid, a shared screen large with the people beside it. */
@customElement('cl-stage')
export class ClStage extends LitElement {
  static override styles = [
    base,
    css`
      :host {
        position: relative;
        display: block;
        min-inline-size: 0;
        min-block-size: 0;
        overflow: hidden;
        container-type: size;
        color: var(--_on-stage);
      }
      .stage {
        block-size: 100%;
      }
      .pair {
        position: relative;
      }
      .pair cl-tile {
        block-size: 100%;
      }
      .pair cl-tile.corner {
        position: absolute;
        inset-block-start: 12px;
        inset-inline-end: 12px;
        inline-size: clamp(96px, 24cqi, 240px);
        block-size: auto;
        aspect-ratio: 4 / 3;
        border: 2px solid var(--_stage);
        box-shadow: var(--_shadow);
      }
      @container (max-aspect-ratio: 1 / 1) {
        .pair cl-tile.corner {
          aspect-ratio: 3 / 4;
        }
      }
      .grid {
        display: grid;
        grid-template-columns: repeat(var(--columns, 1), minmax(0, 1fr));
        grid-auto-rows: minmax(96px, 1fr);
        gap: 8px;
        overflow-y: auto;
      }
      .share {
        display: grid;
        grid-template-rows: minmax(0, 1fr) auto;
        gap: 8px;
      }
      .strip {
        display: flex;
        gap: 8px;
        overflow-x: auto;
      }
      .strip cl-tile {
        flex: none;
        inline-size: 136px;
        aspect-ratio: 4 / 3;
      }
      @container (min-width: 48rem) {
        .share {
          grid-template: minmax(0, 1fr) / minmax(0, 1fr) 208px;
        }
        .strip {
          flex-direction: column;
          overflow: hidden auto;
        }
        .strip cl-tile {
          inline-size: 100%;
        }
      }
      .waiting {
        position: absolute;
        inset-block-start: 16px;
        inset-inline: 16px;
        max-inline-size: 26rem;
        margin-inline: auto;
        padding: 12px 16px;
        border-radius: var(--_radius);
        background: var(--_label);
        text-align: center;
      }
    `,
  ];

  @property({ attribute: false }) i18n!: I18n;
  @property({ attribute: false }) people: readonly Person[] = [];
  /** What is said while there is nothing to see yet. */
  @property() hint = '';
  @state() private box = { width: 0, height: 0 };
  @query('.grid') private readonly grid!: HTMLElement | null;

  private readonly resized = new ResizeObserver(([entry]) => {
    if (!entry) return;
    const { width, height } = entry.contentRect;
    this.box = { width, height };
  });

  override connectedCallback(): void {
    super.connectedCallback();
    this.resized.observe(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.resized.disconnect();
  }

  override updated(): void {
    this.grid?.style.setProperty('--columns', String(columnsFor(this.people.length, this.box.width, this.box.height)));
  }

  override render() {
    const sharing = this.people.filter((p) => p.screen);
    // The screen of somebody else comes before one's own.
    const large = sharing.find((p) => !p.local) ?? sharing[0];
    if (large) return this.share(large, sharing);
    if (this.people.filter((p) => !p.local).length <= 1) return this.pair();
    return html`<div class="stage grid" part="stage">
      ${repeat(
        this.people,
        (p) => p.identity,
        (p) => this.tile(p),
      )}
    </div>`;
  }

  private share(large: Person, sharing: readonly Person[]) {
    return html`<div class="stage share" part="stage">
      ${this.screen(large)}
      <div class="strip" tabindex="0" role="group" aria-label=${this.i18n.t('call.stage')}>
        ${sharing.filter((p) => p !== large).map((p) => this.screen(p))}
        ${repeat(
          this.people,
          (p) => p.identity,
          (p) => this.tile(p),
        )}
      </div>
    </div>`;
  }

  private pair() {
    const me = this.people.find((p) => p.local);
    const other = this.people.find((p) => !p.local);
    return html`<div class="stage pair" part="stage">
      ${other ? this.tile(other) : nothing} ${me ? this.tile(me, other ? 'corner' : '') : nothing}
      ${this.hint ? html`<p class="waiting" role="status">${this.hint}</p>` : nothing}
    </div>`;
  }

  private tile(person: Person, place = '') {
    return html`<cl-tile
      part="tile"
      exportparts="label, video, stand-in, notice"
      class=${place}
      ?brief=${place === 'corner'}
      data-identity=${person.identity}
      .i18n=${this.i18n}
      .person=${person}
      ?speaking=${person.speaking}
    ></cl-tile>`;
  }

  private screen(person: Person) {
    return html`<cl-tile
      part="tile screen"
      data-identity=${person.identity}
      .i18n=${this.i18n}
      .person=${person}
      screen
    ></cl-tile>`;
  }
}

import type { Attachment } from './api';

/** The part of `Storage` that is used. */
export interface Keep {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

/** A message that was written and may not be stored yet. */
export interface Unsent {
  key: string;
  kind: 'text' | 'image' | 'file' | 'location';
  text: string;
  replyTo?: number;
  attachments?: readonly Attachment[];
  location?: { lat: number; lon: number; accuracy?: number };
  /** When it was written, in milliseconds since 1970. */
  at: number;
}

/** How many unsent messages outlive the page. */
const mostUnsent = 50;

/**
 * What one person has begun to write in one conversation, and what was not stored when the page went away. Both outlive
 * a reload where the browser lets pages keep something; what is unsent belongs to its tab, which alone sends it.
 */
export class Drafts {
  private readonly at: string;

  constructor(
    conversation: string,
    identity: string,
    private readonly local: Keep | undefined,
    private readonly tab: Keep | undefined,
  ) {
    this.at = `${conversation}.${identity}`;
  }

  get text(): string {
    return read(this.local, `careline.draft.${this.at}`);
  }

  set text(value: string) {
    write(this.local, `careline.draft.${this.at}`, value);
  }

  get unsent(): readonly Unsent[] {
    try {
      const kept: unknown = JSON.parse(read(this.tab, `careline.unsent.${this.at}`) || '[]');
      return Array.isArray(kept) ? kept.filter(isUnsent).slice(0, mostUnsent) : [];
    } catch {
      return [];
    }
  }

  set unsent(messages: readonly Unsent[]) {
    write(this.tab, `careline.unsent.${this.at}`, messages.length > 0 ? JSON.stringify(messages.slice(0, mostUnsent)) : '');
  }
}

function read(from: Keep | undefined, key: string): string {
  try {
    return from?.getItem(key) ?? '';
  } catch {
    return '';
  }
}

function write(to: Keep | undefined, key: string, value: string): void {
  try {
    if (value) to?.setItem(key, value);
    else to?.removeItem(key);
  } catch {
    // A full or forbidden storage only means that a reload forgets it.
  }
}

const kinds = new Set(['text', 'image', 'file', 'location']);

function isUnsent(value: unknown): value is Unsent {
  if (typeof value !== 'object' || value === null) return false;
  const { key, kind, text, at } = value as Partial<Record<keyof Unsent, unknown>>;
  return typeof key === 'string' && key !== '' && typeof kind === 'string' && kinds.has(kind) && typeof text === 'string' && typeof at === 'number';
}

/** What the browser keeps for a page, where it may keep something. */
export function pageDrafts(conversation: string, identity: string): Drafts {
  const kept = (storage: () => Keep): Keep | undefined => {
    try {
      return storage();
    } catch {
      return undefined;
    }
  };
  return new Drafts(conversation, identity, kept(() => localStorage), kept(() => sessionStorage));
}

import { troubleOf } from '../client';
import type { Trouble } from '../client';
import { Observable } from '../observable';
import type { Found, Message, ThreadServer } from './api';

/** Finding messages of one conversation by their words. */
export class ThreadSearch extends Observable {
  /** Newest first; undefined before the first answer. */
  found: readonly Message[] | undefined;
  /** There may be more than the server looked at. */
  partial = false;
  busy = false;
  trouble: Trouble | undefined;

  private query = '';
  private cursor: string | undefined;
  /** Counts questions, so that the answer to an old one is not taken. */
  private turn = 0;

  constructor(private readonly api: Pick<ThreadServer, 'search'>) {
    super();
  }

  get more(): boolean {
    return this.cursor !== undefined;
  }

  /** Asks anew; without words it forgets what was found. */
  async ask(query: string): Promise<void> {
    this.query = query.trim();
    this.found = undefined;
    this.cursor = undefined;
    await this.next();
  }

  /** The next page of what was found. */
  async next(): Promise<void> {
    const turn = ++this.turn;
    this.trouble = undefined;
    this.busy = this.query !== '';
    this.changed();
    if (!this.busy) return;
    let page: Found;
    try {
      page = await this.api.search(this.query, this.cursor);
    } catch (error) {
      if (turn !== this.turn) return;
      this.busy = false;
      this.trouble = troubleOf(error);
      this.changed();
      return;
    }
    if (turn !== this.turn) return;
    this.busy = false;
    this.found = [...(this.found ?? []), ...page.messages];
    this.partial = page.partial;
    this.cursor = page.cursor;
    this.changed();
  }
}

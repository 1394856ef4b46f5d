import type { Trouble } from '../client';
import { Refused } from '../client';
import { Observable } from '../observable';
import type { Attachment, ThreadServer } from './api';

/** Bytes of one request: few enough for a weak connection to get through in time. */
const pieceSize = 1 << 20;
/** Attempts of one piece; in milliseconds, how long until the first one again. */
const attempts = 6;
const firstPause = 1000;

type UploadApi = Pick<ThreadServer, 'beginUpload' | 'upload' | 'appendUpload' | 'finishUpload' | 'cancelUpload'>;

/** One file on its way to the server, in pieces: after a break it goes on where the server says. */
export class Upload extends Observable {
  state: 'uploading' | 'done' | 'failed' = 'uploading';
  /** Bytes that the server has. */
  sent = 0;
  trouble: Trouble | undefined;
  /** The problem's code, where the server named one. */
  code = '';
  attachment: Attachment | undefined;

  private id = '';
  private running = false;
  private readonly stop = new AbortController();

  constructor(
    readonly file: File,
    private readonly api: UploadApi,
    private readonly pause: (ms: number) => Promise<void> = (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  ) {
    super();
  }

  /** Sends what is missing, also after a failure. */
  async run(): Promise<void> {
    if (this.running || this.state === 'done' || this.cancelled) return;
    this.running = true;
    this.state = 'uploading';
    this.trouble = undefined;
    this.changed();
    try {
      await this.patiently(async () => this.begin());
      while (this.sent < this.file.size) await this.patiently(() => this.piece());
      this.attachment = await this.patiently(() => this.api.finishUpload(this.id));
      this.state = 'done';
    } catch (error) {
      this.state = 'failed';
      this.trouble = error instanceof Refused ? error.trouble : 'failed';
      this.code = error instanceof Refused ? error.code : '';
    } finally {
      this.running = false;
      this.changed();
    }
  }

  /** Gives it up; the server forgets what it has. */
  cancel(): void {
    this.stop.abort();
    if (this.id && this.state !== 'done') this.api.cancelUpload(this.id).catch(() => undefined);
  }

  private get cancelled(): boolean {
    return this.stop.signal.aborted;
  }

  private async begin(): Promise<void> {
    if (this.id) return;
    this.id = (await this.api.beginUpload(this.file.name || 'file', this.file.type, this.file.size)).id;
  }

  private async piece(): Promise<void> {
    const piece = this.file.slice(this.sent, this.sent + pieceSize);
    try {
      this.sent = (await this.api.appendUpload(this.id, this.sent, piece, this.stop.signal)).offset;
    } catch (error) {
      // It may have arrived all the same.
      if (error instanceof Refused && error.trouble === 'unreachable' && !this.cancelled) this.sent = (await this.api.upload(this.id)).offset;
      throw error;
    }
    this.changed();
  }

  /** Does it again while there is no connection, for a while. */
  private async patiently<T>(work: () => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      if (this.cancelled) throw new Refused('uploading a file', 'failed');
      try {
        return await work();
      } catch (error) {
        const passing = error instanceof Refused && (error.trouble === 'unreachable' || error.trouble === 'busy');
        if (!passing || attempt === attempts) throw error;
        await this.pause(error.wait || firstPause * 2 ** (attempt - 1));
      }
    }
  }
}

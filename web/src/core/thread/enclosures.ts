import { Observable } from '../observable';
import type { Attachment, Message, ThreadServer } from './api';
import type { Place } from './locate';
import { Upload } from './upload';

/** Files of one message. */
export const mostFiles = 20;

/** What goes along with the message that is being written. It outlives the field to write in, which may be put away and shown again. */
export class Enclosures extends Observable {
  uploads: readonly Upload[] = [];
  place: Place | undefined;
  /** The message that it answers. */
  replying: Message | undefined;

  constructor(private readonly api: ThreadServer) {
    super();
  }

  /** Every file is uploaded. */
  get ready(): boolean {
    return this.uploads.every((u) => u.state === 'done');
  }

  get files(): readonly Attachment[] {
    return this.uploads.map((u) => u.attachment).filter((a) => a !== undefined);
  }

  /** Takes files and begins to upload them. False: there are too many, and the rest was left out. */
  attach(files: readonly File[]): boolean {
    const added = files.slice(0, Math.max(0, mostFiles - this.uploads.length)).map((file) => new Upload(file, this.api));
    this.uploads = [...this.uploads, ...added];
    for (const upload of added) void upload.run();
    this.changed();
    return added.length === files.length;
  }

  detach(upload: Upload): void {
    upload.cancel();
    this.uploads = this.uploads.filter((u) => u !== upload);
    this.changed();
  }

  setPlace(place: Place | undefined): void {
    this.place = place;
    this.changed();
  }

  answer(message: Message | undefined): void {
    this.replying = message;
    this.changed();
  }

  /** The message is sent: what goes along belongs to it now. */
  clear(): void {
    this.uploads = [];
    this.place = this.replying = undefined;
    this.changed();
  }

  stop(): void {
    for (const upload of this.uploads) upload.cancel();
  }
}

import type { Client, Schemas } from '../client';

export type Conversation = Schemas['Conversation'];
export type Member = Schemas['Member'];
export type Message = Schemas['Message'];
export type Attachment = Schemas['Attachment'];
export type Marks = Schemas['Marks'];
export type NewMessage = Schemas['NewMessage'];
export type Stored = Schemas['Stored'];

/** Some messages in a row. */
export interface Page {
  messages: readonly Message[];
  /** There are more before them, or after them. */
  older: boolean;
  newer: boolean;
}

/** Messages that were searched for, newest first. */
export interface Found {
  messages: readonly Message[];
  /** There may be more, which the server did not look at. */
  partial: boolean;
  /** Of the next page. */
  cursor: string | undefined;
}

/** Messages read at once. */
export const pageSize = 50;
/** Names are known of so many people; the rest are shown by their identities. */
const mostMembers = 1000;
/** Uploads go in pieces, each of which may take this long in milliseconds. */
const uploadPatience = 120_000;

/** One conversation over HTTP. Every method throws `Refused`. */
export class ThreadApi {
  constructor(
    private readonly client: Client,
    readonly conversation: string,
  ) {}

  read(): Promise<Conversation> {
    return this.client.ask('get', '/v1/conversations/{conversationId}', { path: this.path });
  }

  /** Whether there is a place in it, without asking for what may be refused. */
  async mine(): Promise<boolean> {
    const { items } = await this.client.ask('post', '/v1/conversations/view', { body: { limit: 100 } });
    return items?.some((c) => c.id === this.conversation) ?? false;
  }

  async members(): Promise<Member[]> {
    const all: Member[] = [];
    let cursor: string | undefined;
    do {
      const page = await this.client.ask('get', '/v1/conversations/{conversationId}/participants', { path: this.path, query: { limit: 200, ...(cursor ? { cursor } : {}) } });
      all.push(...(page.items ?? []));
      cursor = page.next_cursor;
    } while (cursor && all.length < mostMembers);
    return all;
  }

  /** Messages after or before a number or on both sides of it; without any, the newest. */
  async page(at: { after?: number; before?: number; around?: number }): Promise<Page> {
    const list = await this.client.ask('post', '/v1/conversations/{conversationId}/messages/view', { path: this.path, body: { ...at, limit: pageSize } });
    return { messages: list.items ?? [], older: list.prev_cursor !== undefined, newer: list.next_cursor !== undefined };
  }

  message(seq: number): Promise<Message> {
    return this.client.ask('get', '/v1/conversations/{conversationId}/messages/{seq}', { path: this.at(seq) });
  }

  send(message: NewMessage): Promise<Stored> {
    return this.client.ask('post', '/v1/conversations/{conversationId}/messages', { path: this.path, body: message });
  }

  edit(seq: number, revision: number, text: string): Promise<Message> {
    return this.client.ask('patch', '/v1/conversations/{conversationId}/messages/{seq}', { path: this.at(seq), header: { 'If-Match': `"${revision}"` }, body: { text } });
  }

  async remove(seq: number): Promise<void> {
    await this.client.ask('delete', '/v1/conversations/{conversationId}/messages/{seq}', { path: this.at(seq) });
  }

  mark(marks: Marks): Promise<Marks> {
    return this.client.ask('put', '/v1/conversations/{conversationId}/receipts', { path: this.path, body: marks });
  }

  async typing(on: boolean): Promise<void> {
    await this.client.ask('post', '/v1/conversations/{conversationId}/typing', { path: this.path, body: { on } });
  }

  /** Messages of this conversation that have the words of a query; it may hold filters, as the API describes them. */
  async search(query: string, cursor?: string): Promise<Found> {
    const page = await this.client.ask('post', '/v1/search', { body: { query: `${query} in:${this.conversation}`, ...(cursor ? { cursor } : {}) } });
    const messages = (page.items ?? []).filter((m) => m.conversation_id === this.conversation);
    return { messages, partial: page.partial ?? false, cursor: page.next_cursor };
  }

  /** What happened after a position of the conversation's log. */
  events(after: number): Promise<Schemas['EventList']> {
    return this.client.ask('get', '/v1/conversations/{conversationId}/events', { path: this.path, query: { after, limit: 200 } });
  }

  beginUpload(name: string, type: string, size: number): Promise<Schemas['Upload']> {
    return this.client.ask('post', '/v1/uploads', { body: { conversation_id: this.conversation, name, size, ...(type ? { type } : {}) } });
  }

  upload(id: string): Promise<Schemas['Upload']> {
    return this.client.ask('get', '/v1/uploads/{uploadId}', { path: { uploadId: id } });
  }

  appendUpload(id: string, offset: number, bytes: Blob, signal: AbortSignal): Promise<Schemas['Upload']> {
    const asked = { path: { uploadId: id }, header: { 'Upload-Offset': String(offset) }, body: bytes };
    return this.client.ask('patch', '/v1/uploads/{uploadId}', asked, { patience: uploadPatience, signal });
  }

  finishUpload(id: string): Promise<Attachment> {
    return this.client.ask('post', '/v1/uploads/{uploadId}/finish', { path: { uploadId: id } }, { patience: uploadPatience });
  }

  async cancelUpload(id: string): Promise<void> {
    await this.client.ask('delete', '/v1/uploads/{uploadId}', { path: { uploadId: id } });
  }

  thumbnail(id: string): Promise<Blob> {
    return this.client.file('/v1/attachments/{attachmentId}/thumbnail', { path: { attachmentId: id } });
  }

  file(id: string): Promise<Blob> {
    return this.client.file('/v1/attachments/{attachmentId}', { path: { attachmentId: id } }, { patience: uploadPatience });
  }

  private get path(): { conversationId: string } {
    return { conversationId: this.conversation };
  }

  private at(seq: number): { conversationId: string; seq: number } {
    return { conversationId: this.conversation, seq };
  }
}

/** What a thread asks of the server. */
export type ThreadServer = Pick<ThreadApi, keyof ThreadApi>;

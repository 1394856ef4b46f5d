import type { Room } from 'livekit-client';
import { ChatLog, chatTopic } from './chat';
import type { ChatMessage, ChatTransport } from './chat';
import { roleOf } from './place';
import { openThread } from './thread/open';
import type { Opening } from './thread/open';
import type { Thread } from './thread/thread';
import { readToken } from './token';

/** The server gives who enters a call a place in its conversation, a moment later. */
const placePatience = 20_000;

/** Where a call is, by which token. */
export interface Joined {
  serverUrl: string;
  /** The token that the call was joined with. */
  token: string;
  /** The token as the server refreshed it last. */
  newest: () => string;
}

/** What is written in a call: kept in its conversation, or by nobody. */
export class CallChat {
  /** What came and went in the room's data channel. */
  readonly log = new ChatLog();
  /** The call's conversation, where what is written is kept. */
  thread: Thread | undefined;
  /** What an audience heard before it opened the thread, which shows guests what was written from then on. */
  earlier: readonly ChatMessage[] = [];

  private room: Room | undefined;
  private joined: Joined | undefined;

  /** `opened` hears that there is a thread. */
  constructor(
    private readonly opened: () => void,
    private readonly begin: (opening: Opening) => Thread = openThread,
  ) {}

  /** The conversation, unless this side has no place in it: then it writes as in a room that keeps nothing. */
  get kept(): Thread | undefined {
    return this.thread?.phase === 'refused' ? undefined : this.thread;
  }

  get unread(): number {
    const { kept } = this;
    if (!kept) return this.log.unread;
    return kept.phase === 'ready' ? kept.unread : 0;
  }

  /** The name of who wrote the newest message of somebody else. */
  get newestWriter(): string {
    const { kept, log } = this;
    if (!kept) return log.messages.at(-1)?.name ?? '';
    const newest = kept.messages.findLast((m) => m.sender !== kept.identity && m.kind !== 'system');
    return kept.nameOf(newest?.sender ?? '');
  }

  /** Hears what is written in a room that is about to connect. */
  listen(room: Room): void {
    room.registerTextStreamHandler(chatTopic, (reader, from) => {
      const sender = room.remoteParticipants.get(from.identity);
      const name = sender?.name?.trim() ? sender.name : from.identity;
      reader.readAll().then(
        (text) => this.log.receive({ id: reader.info.id, identity: from.identity, name, text, at: new Date() }),
        () => undefined, // A stream cut off by its sender's leaving, or too long: there is no message to show.
      );
    });
  }

  /** The room is connected. */
  enter(room: Room, joined: Joined): void {
    this.room = room;
    this.joined = joined;
    this.log.connected(transport(room));
    // An audience may be large, and opening the thread gives a place in it: who never looks takes none.
    if (roleOf(room.localParticipant) !== 'viewer') this.open(false);
  }

  /** The reader wants to see what is written. */
  show(): void {
    if (!this.thread) this.open(true);
  }

  /** The connection is gone. */
  interrupted(): void {
    this.log.interrupted();
  }

  /** The connection is back; `rebuilt` from nothing, after it broke at a time. */
  restored(rebuilt: boolean, brokenAt: number): void {
    this.thread?.hurry();
    if (!this.room) return;
    if (rebuilt) this.log.restored(transport(this.room), brokenAt);
    else this.log.connected(transport(this.room));
  }

  /** The call is over. */
  end(): void {
    this.log.ended();
    this.thread?.stop();
  }

  private open(asks: boolean): void {
    const { joined } = this;
    const facts = readToken(joined?.token ?? '');
    if (!joined || !facts?.conversation || !facts.permissions.includes('chat:read')) return;
    // Tokens that are refreshed on the way may be for the room alone.
    const token = (): string => (readToken(joined.newest())?.conversation ? joined.newest() : joined.token);
    this.thread = this.begin({ server: joined.serverUrl, conversation: facts.conversation, identity: facts.identity, token, asks, patience: placePatience });
    if (asks) this.keepHeard(this.thread);
    this.thread.start();
    this.opened();
  }

  private keepHeard(thread: Thread): void {
    const stop = thread.watch(() => {
      if (thread.phase === 'loading') return;
      stop();
      if (thread.conversation?.me.type !== 'guest') return;
      this.earlier = this.log.messages.filter((m) => !thread.messages.some((t) => t.sender === m.identity && t.text === m.text));
    });
  }
}

function transport(room: Room): ChatTransport {
  return {
    async send(id, text) {
      const bytes = new TextEncoder().encode(text).length;
      const writer = await room.localParticipant.streamText({ topic: chatTopic, streamId: id, totalSize: bytes });
      await writer.write(text);
      await writer.close();
    },
  };
}

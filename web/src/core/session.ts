import type { RemoteParticipant, Room } from 'livekit-client';
import { CallChat } from './call-chat';
import { CallApi } from './calls';
import { troubleOf } from './client';
import { Choices } from './devices';
import type { EndingKind } from './ending';
import { askWhy, endingOfDisconnect, endingOfFailure, refusalOf } from './ending';
import { Incoming } from './incoming';
import { Moderation } from './moderation';
import type { Notice } from './notice';
import { Observable } from './observable';
import { OwnMedia } from './own-media';
import type { Person, PictureChoice, PictureKind, Sound } from './people';
import { peopleOf, soundsOf } from './people';
import type { CallFacts, Rights } from './place';
import { allRights, factsOf, may, maySend, rightsOf, roleOf } from './place';
import type { JoinMedia } from './preview';
import { readToken } from './token';

type LiveKit = typeof import('livekit-client');

/** Of data packets by which the server tells hosts and operators that a list has changed. */
const callTopic = 'careline.call';

export interface SessionOptions {
  /** Two peer connections instead of one, for servers and tests that want the older way. */
  dualPeerConnection?: boolean;
}

/** Longest text stream that is read, in bytes: four for each of the longest message's code points. */
const longestStream = 32_000;

/** One call through livekit-client: joins, tells what the page shows, leaves. */
export class CallSession extends Observable {
  phase: 'idle' | 'connecting' | 'connected' | 'ended' = 'idle';
  /** resuming: only the signalling was lost, sound and picture go on; rebuilding: they stopped too. */
  link: 'steady' | 'resuming' | 'rebuilding' = 'steady';
  ending: EndingKind | undefined;
  people: readonly Person[] = [];
  sounds: readonly Sound[] = [];
  audioOnly = false;
  /** False while the browser wants a tap before it plays sound. */
  audible = true;
  /** One's own microphone, camera and screen. */
  readonly own: OwnMedia;
  readonly chat = new CallChat(() => this.changed());
  /** The hand is being raised or lowered. */
  raising = false;
  /** What is known of the call; undefined in rooms that are none. */
  facts: CallFacts | undefined;
  /** What this side may send now. */
  rights: Rights = allRights;
  /** What a host or operator does; undefined for everybody else. */
  moderation: Moderation | undefined;

  private room: Room | undefined;
  private lib: LiveKit | undefined;
  private leaving = false;
  private brokenAt = 0;
  private way = { serverUrl: '', token: '' };
  private readonly raised = new Set<string>();
  private readonly incoming = new Incoming();
  private readonly followed = new WeakSet<RemoteParticipant>();
  private readonly listeners = new Set<(notice: Notice) => void>();

  constructor(
    private readonly options: SessionOptions = {},
    private readonly load: () => Promise<LiveKit> = () => import('livekit-client'),
    private readonly choices = new Choices(undefined),
  ) {
    super();
    this.incoming.savingData = choices.get('save-data') === 'true';
    this.own = new OwnMedia(choices, this.savingData, { changed: () => this.refresh(), tell: (notice) => this.tell(notice) });
  }

  /** Loads the library ahead of the join; a failure shows itself at the join. */
  warm(): void {
    this.load().catch(() => undefined);
  }

  /** Calls `listener` for each notice until the returned function is called. */
  notices(listener: (notice: Notice) => void): () => void {
    this.listeners.add(listener);
    return () => {
      this.listeners.delete(listener);
    };
  }

  /** The token that the call was joined with. */
  get token(): string {
    return this.way.token;
  }

  /** Own and others' pictures of people are small. */
  get savingData(): boolean {
    return this.incoming.savingData;
  }

  get me(): Person | undefined {
    return this.people.find((p) => p.local);
  }

  /** The connected livekit-client room, for programs that need more than this page shows. */
  get connectedRoom(): Room | undefined {
    return this.phase === 'connected' ? this.room : undefined;
  }

  /** Joins with the given tracks, which then belong to the session. Ends in `connected` or `ended`, never throws. */
  async join(serverUrl: string, token: string, media: JoinMedia): Promise<void> {
    this.phase = 'connecting';
    this.way = { serverUrl, token };
    this.changed();
    try {
      const lib = (this.lib = await this.load());
      if (this.leaving) throw lib.ConnectionError.cancelled('left while connecting');
      const room = (this.room = new lib.Room({
        adaptiveStream: true,
        dynacast: true,
        singlePeerConnection: !this.options.dualPeerConnection,
        dataStream: { maxPayloadByteLength: longestStream },
        ...this.own.options(media),
      }));
      this.listen(room, lib);
      this.own.enter(room, lib);
      this.chat.listen(room);
      // Where not even the smallest picture fits, none is better than sound that stutters; the page says why.
      await room.connect(serverUrl, token, { subscriberAllowPause: true });
      this.phase = 'connected';
      this.rights = rightsOf(room.localParticipant.permissions);
      this.chat.enter(room, { serverUrl, token, newest: () => this.newestToken });
      this.hearServer(room, lib);
      this.refresh();
      await this.own.publish(room, lib, media, this.rights);
    } catch (error) {
      for (const track of [media.microphone, media.camera]) track?.stop();
      const expires = readToken(token)?.expires;
      const expired = expires !== undefined && expires <= Date.now();
      const kind = this.leaving ? 'left' : await endingOfFailure(error, expired, () => askWhy(serverUrl, token));
      this.end(this.leaving ? 'left' : kind);
    }
  }

  /** Leaves; also stops a join under way. */
  async leave(): Promise<void> {
    this.leaving = true;
    await this.room?.disconnect();
    if (this.phase !== 'idle') this.end('left');
  }

  /** Turns the own camera on or off; on, it ends a call that is only heard. */
  toggleCamera(): Promise<void> {
    const on = !this.room?.localParticipant.isCameraEnabled;
    if (on && this.audioOnly) this.setAudioOnly(false);
    return this.own.setCamera(on);
  }

  /** Raises one's hand, or lowers it. */
  async raiseHand(up: boolean): Promise<void> {
    if (!this.facts || this.raising) return;
    this.raising = true;
    this.changed();
    try {
      await this.api(this.facts).raiseHand(up);
    } catch (error) {
      this.tell({ kind: 'refused', trouble: troubleOf(error) });
    } finally {
      this.raising = false;
      this.changed();
    }
  }

  /** Sound only: no picture is sent or received, which spares a weak connection. */
  setAudioOnly(on: boolean): void {
    this.audioOnly = on;
    if (on && this.room?.localParticipant.isCameraEnabled) void this.own.setCamera(false);
    this.refresh();
  }

  /** How large a picture of somebody else may arrive. */
  pictureChoice(identity: string, kind: PictureKind): PictureChoice {
    return this.incoming.choice(identity, kind);
  }

  choosePicture(identity: string, kind: PictureKind, choice: PictureChoice): void {
    this.incoming.choose(identity, kind, choice);
    this.refresh();
  }

  /** Makes own and others' pictures of people small, or as large as chosen again. */
  setSavingData(on: boolean): void {
    this.incoming.savingData = on;
    this.choices.set('save-data', String(on));
    this.refresh();
    this.own.setSmall(on);
  }

  /** Starts the sound that the browser held back; must be called from a tap. */
  async startAudio(): Promise<void> {
    await this.room?.startAudio();
    this.refresh();
  }

  private listen(room: Room, lib: LiveKit): void {
    const { RoomEvent } = lib;
    const refresh = (): void => this.refresh();
    for (const event of [
      RoomEvent.TrackSubscribed,
      RoomEvent.TrackUnsubscribed,
      RoomEvent.TrackUnpublished,
      RoomEvent.TrackMuted,
      RoomEvent.TrackUnmuted,
      RoomEvent.LocalTrackPublished,
      RoomEvent.LocalTrackUnpublished,
      RoomEvent.ActiveSpeakersChanged,
      RoomEvent.ParticipantNameChanged,
      RoomEvent.ConnectionQualityChanged,
      RoomEvent.AudioPlaybackStatusChanged,
      RoomEvent.ActiveDeviceChanged,
      RoomEvent.TrackStreamStateChanged,
      RoomEvent.TrackPublished,
      RoomEvent.ParticipantAttributesChanged,
      RoomEvent.ParticipantPermissionsChanged,
      RoomEvent.RoomMetadataChanged,
    ] as const) {
      room.on(event, refresh);
    }
    room.on(RoomEvent.ParticipantConnected, (p: RemoteParticipant) => this.came(p, 'joined'));
    room.on(RoomEvent.ParticipantDisconnected, (p: RemoteParticipant) => this.came(p, 'left'));
    room.on(RoomEvent.SignalReconnecting, () => this.broken('resuming'));
    room.on(RoomEvent.Reconnecting, () => this.broken('rebuilding'));
    room.on(RoomEvent.Reconnected, () => this.mended());
    room.on(RoomEvent.Disconnected, (reason) => {
      if (this.phase === 'connected') void this.over(endingOfDisconnect(reason, this.leaving));
    });
    room.on(RoomEvent.DataReceived, (_payload, from, _kind, topic) => {
      if (topic === callTopic && !from) void this.moderation?.read();
    });
  }

  /** In the moments after a reconnect the room keeps its events to itself, the participants do not. */
  private follow(room: Room, lib: LiveKit): void {
    for (const participant of room.remoteParticipants.values()) {
      if (this.followed.has(participant)) continue;
      this.followed.add(participant);
      participant.on(lib.ParticipantEvent.TrackSubscribed, () => this.refresh());
    }
  }

  private came(participant: RemoteParticipant, kind: 'joined' | 'left'): void {
    // The audience of a broadcast comes and goes without a word.
    if (roleOf(participant) !== 'viewer') this.tell({ kind, name: participant.name?.trim() ? participant.name : participant.identity });
    this.refresh();
  }

  private broken(link: 'resuming' | 'rebuilding'): void {
    if (this.link === 'steady') this.brokenAt = Date.now();
    this.link = link;
    this.chat.interrupted();
    this.refresh();
  }

  private mended(): void {
    const rebuilt = this.link === 'rebuilding';
    this.link = 'steady';
    this.chat.restored(rebuilt, this.brokenAt);
    this.refresh();
  }

  /** Being sent out, or the end of the room, may have a reason that only the refusal of the next join says. */
  private async over(kind: EndingKind): Promise<void> {
    const { serverUrl } = this.way;
    const answer = kind === 'removed' || kind === 'closed' ? await askWhy(serverUrl, this.newestToken) : undefined;
    const refusal = answer?.status === 403 ? refusalOf(answer.text) : undefined;
    this.end(this.leaving ? 'left' : refusal === 'banned' || refusal === 'ended' ? refusal : kind);
  }

  private end(kind: EndingKind): void {
    if (this.phase === 'ended') return;
    this.phase = 'ended';
    this.link = 'steady';
    this.ending = kind;
    this.moderation = undefined;
    this.people = [];
    this.sounds = [];
    this.chat.end();
    this.changed();
    const room = this.room;
    room?.removeAllListeners();
    void room?.disconnect();
  }

  private refresh(): void {
    if (this.phase === 'connected' && this.room && this.lib) {
      this.follow(this.room, this.lib);
      this.incoming.apply(this.room);
      this.people = peopleOf(this.room, { audioOnly: this.audioOnly, choice: (identity, kind) => this.pictureChoice(identity, kind) });
      this.sounds = soundsOf(this.room);
      this.place(this.room);
      this.audible = this.room.canPlaybackAudio;
    }
    this.changed();
  }

  /** Follows what the server says of this side's place in the call, and of raised hands. */
  private place(room: Room): void {
    this.facts = factsOf(room.metadata);
    const role = this.me?.role;
    if (this.facts && role && may(role, 'moderate') && !this.moderation) {
      this.moderation = new Moderation(this.api(this.facts), role, this.facts);
      void this.moderation.read();
    }
    this.moderation?.arrived(new Set(this.people.map((p) => p.identity)));
    for (const { identity, name, hand, local } of this.people) {
      if (hand === undefined) this.raised.delete(identity);
      else if (!this.raised.has(identity)) {
        this.raised.add(identity);
        if (!local) this.tell({ kind: 'hand', name });
      }
    }
    const before = maySend(this.rights);
    this.rights = rightsOf(room.localParticipant.permissions);
    if (before === maySend(this.rights)) return;
    this.tell({ kind: before ? 'silenced' : 'let-speak' });
    if (before) this.own.letGo(room);
  }

  /** What livekit-client does by itself on the server's word and keeps to itself. */
  private hearServer(room: Room, lib: LiveKit): void {
    room.engine.on(lib.EngineEvent.RemoteMute, (sid, muted) => {
      const publication = room.localParticipant.trackPublications.get(sid);
      if (!muted || !publication) return;
      this.tell({ kind: 'muted', input: publication.kind === lib.Track.Kind.Audio ? 'microphone' : 'camera' });
    });
  }

  private api(facts: CallFacts): CallApi {
    return new CallApi(this.way.serverUrl, facts.id, () => this.newestToken);
  }

  /** The token as the server refreshed it last; livekit-client keeps it for its own reconnects. */
  private get newestToken(): string {
    const { token } = (this.room?.engine ?? {}) as unknown as { token?: string };
    return token ?? this.way.token;
  }

  private tell(notice: Notice): void {
    for (const listener of [...this.listeners]) listener(notice);
  }
}

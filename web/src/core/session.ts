import type { LocalTrack, LocalTrackPublication, LocalVideoTrack, Participant, RemoteParticipant, Room } from 'livekit-client';
import { setBlur, wantedBlur } from './blur';
import { CallApi } from './calls';
import { ChatLog, chatTopic } from './chat';
import type { ChatTransport } from './chat';
import type { Trouble } from './client';
import { troubleOf } from './client';
import type { DeviceKind, DeviceProblem } from './devices';
import { Choices, problemOf } from './devices';
import type { EndingKind } from './ending';
import { askWhy, endingOfDisconnect, endingOfFailure, refusalOf } from './ending';
import { Incoming } from './incoming';
import { Moderation } from './moderation';
import { Observable } from './observable';
import type { Capture, Sending } from './outgoing';
import { captureConstraints, captureOptions, isSending, recapture } from './outgoing';
import type { Person, PictureChoice, PictureKind, Sound } from './people';
import { peopleOf, soundsOf } from './people';
import type { CallFacts, Rights } from './place';
import { allRights, factsOf, may, maySend, rightsOf, roleOf } from './place';
import type { JoinMedia } from './preview';
import { openThread } from './thread/open';
import type { Thread } from './thread/thread';
import { readToken } from './token';

type LiveKit = typeof import('livekit-client');

/** Something that happened and is said once, by name of its text. */
export type Notice =
  | { kind: 'joined' | 'left' | 'hand'; name: string }
  | { kind: 'device-problem'; input: 'microphone' | 'camera' | 'screen' | 'speaker'; problem: DeviceProblem }
  | { kind: 'device-lost'; input: 'microphone' | 'camera' }
  | { kind: 'not-blurred' }
  | { kind: 'muted'; input: 'microphone' | 'camera' }
  | { kind: 'refused'; trouble: Trouble }
  | { kind: 'may-not-publish' | 'let-speak' | 'silenced' };

/** Of data packets by which the server tells hosts and operators that a list has changed. */
const callTopic = 'careline.call';

export interface SessionOptions {
  /** Two peer connections instead of one, for servers and tests that want the older way. */
  dualPeerConnection?: boolean;
}

/** Longest text stream that is read, in bytes: four for each of the longest message's code points. */
const longestStream = 32_000;

/** The server gives who enters a call a place in its conversation, a moment later. */
const placePatience = 20_000;

/** Asks for the device that a track comes from, when it is opened again after a pause. */
function deviceOf(track: MediaStreamTrack | undefined): { deviceId?: string } {
  const deviceId = track?.getSettings().deviceId;
  return deviceId ? { deviceId } : {};
}

/** One call through livekit-client: joins, tells what the page shows, leaves. */
export class CallSession extends Observable {
  phase: 'idle' | 'connecting' | 'connected' | 'ended' = 'idle';
  /** resuming: only the signalling was lost, sound and picture go on; rebuilding: they stopped too. */
  link: 'steady' | 'resuming' | 'rebuilding' = 'steady';
  ending: EndingKind | undefined;
  people: readonly Person[] = [];
  sounds: readonly Sound[] = [];
  audioOnly = false;
  /** How large one's own picture is sent, unless data are saved. */
  sending: Sending;
  /** Own and others' pictures of people are small. */
  savingData: boolean;
  /** False while the browser wants a tap before it plays sound. */
  audible = true;
  /** Which own device is being switched; its button waits. */
  readonly busy = new Set<'microphone' | 'camera' | 'screen' | 'hand'>();
  /** What is written in rooms that keep nothing. */
  readonly chat = new ChatLog();
  /** The call's conversation, where what is written is kept. */
  thread: Thread | undefined;
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
  /** How the picture is sent now, which follows the choice. */
  private sentAs: Sending;
  private readonly incoming = new Incoming();
  private readonly watched = new WeakSet<LocalTrack>();
  private readonly followed = new WeakSet<RemoteParticipant>();
  private readonly listeners = new Set<(notice: Notice) => void>();

  constructor(
    private readonly options: SessionOptions = {},
    private readonly load: () => Promise<LiveKit> = () => import('livekit-client'),
    private readonly choices = new Choices(undefined),
  ) {
    super();
    const sending = choices.get('sending');
    this.sending = isSending(sending) ? sending : 'high';
    this.savingData = this.incoming.savingData = choices.get('save-data') === 'true';
    this.sentAs = this.capture.sending;
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

  /** The conversation, unless this side has no place in it: then it writes as in a room that keeps nothing. */
  get keptThread(): Thread | undefined {
    return this.thread?.phase === 'refused' ? undefined : this.thread;
  }

  /** The token that the call was joined with. */
  get token(): string {
    return this.way.token;
  }

  get unread(): number {
    const { keptThread } = this;
    if (!keptThread) return this.chat.unread;
    return keptThread.phase === 'ready' ? keptThread.unread : 0;
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
        audioCaptureDefaults: deviceOf(media.microphone),
        videoCaptureDefaults: { ...captureOptions(this.capture), ...deviceOf(media.camera) },
        ...(media.speaker ? { audioOutput: { deviceId: media.speaker } } : {}),
      }));
      this.listen(room, lib);
      // Where not even the smallest picture fits, none is better than sound that stutters; the page says why.
      await room.connect(serverUrl, token, { subscriberAllowPause: true });
      this.phase = 'connected';
      this.rights = rightsOf(room.localParticipant.permissions);
      this.chat.connected(this.transport(room));
      this.hearServer(room, lib);
      this.openThread(room);
      this.refresh();
      await this.publish(room, lib, media);
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

  toggleMicrophone(): Promise<void> {
    const on = this.me?.microphone !== 'on';
    return this.switching('microphone', (room) => room.localParticipant.setMicrophoneEnabled(on));
  }

  toggleCamera(): Promise<void> {
    const on = !this.room?.localParticipant.isCameraEnabled;
    if (on && this.audioOnly) this.setAudioOnly(false);
    return this.switching('camera', (room) => room.localParticipant.setCameraEnabled(on));
  }

  /** Raises one's hand, or lowers it. */
  async raiseHand(up: boolean): Promise<void> {
    if (!this.facts || this.busy.has('hand')) return;
    this.busy.add('hand');
    this.changed();
    try {
      await this.api(this.facts).raiseHand(up);
    } catch (error) {
      this.tell({ kind: 'refused', trouble: troubleOf(error) });
    } finally {
      this.busy.delete('hand');
      this.changed();
    }
  }

  toggleScreen(): Promise<void> {
    const on = !this.room?.localParticipant.isScreenShareEnabled;
    return this.switching('screen', (room) => room.localParticipant.setScreenShareEnabled(on, { audio: true }));
  }

  /** Changes between front and back camera, or to the next camera where they face nowhere. `cameras` are device ids. */
  flipCamera(cameras: readonly string[]): Promise<void> {
    return this.switching('camera', async (room, lib) => {
      const track = room.localParticipant.getTrackPublication(lib.Track.Source.Camera)?.videoTrack;
      if (!track || !('restartTrack' in track)) return;
      const now = track.mediaStreamTrack.getSettings();
      if (now.facingMode) {
        const facingMode = now.facingMode === 'environment' ? 'user' : 'environment';
        await track.restartTrack({ ...captureOptions(this.capture), facingMode });
        return;
      }
      const next = cameras[(cameras.indexOf(now.deviceId ?? '') + 1) % cameras.length];
      if (next) await room.switchActiveDevice('videoinput', next);
    });
  }

  /** Sound only: no picture is sent or received, which spares a weak connection. */
  setAudioOnly(on: boolean): void {
    this.audioOnly = on;
    const room = this.room;
    if (room) {
      if (on && room.localParticipant.isCameraEnabled) {
        void this.switching('camera', () => room.localParticipant.setCameraEnabled(false));
      }
    }
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

  /** Changes how large one's own picture is sent. */
  setSending(sending: Sending): void {
    this.sending = sending;
    this.choices.set('sending', sending);
    this.resend();
  }

  /** Makes own and others' pictures of people small, or as large as chosen again. */
  setSavingData(on: boolean): void {
    this.savingData = this.incoming.savingData = on;
    this.choices.set('save-data', String(on));
    this.refresh();
    this.resend();
  }

  /** One's own camera as the browser has it; undefined while it is off. */
  get cameraTrack(): MediaStreamTrack | undefined {
    const track = this.ownCamera();
    return track && !track.isMuted ? track.mediaStreamTrack : undefined;
  }

  /** Blurs the background of one's own picture, or no longer. Throws where the browser did not do it. */
  async setBlur(on: boolean): Promise<void> {
    const track = this.ownCamera();
    if (!track || !this.room) return;
    await setBlur(track.mediaStreamTrack, on);
    this.choices.set('blur', String(on));
    this.remember(this.room, track);
    this.refresh();
  }

  /** Changes to another device during the call. */
  async useDevice(kind: DeviceKind, deviceId: string): Promise<void> {
    try {
      await this.room?.switchActiveDevice(kind, deviceId);
    } catch (error) {
      const input = ({ audioinput: 'microphone', videoinput: 'camera', audiooutput: 'speaker' } as const)[kind];
      this.tell({ kind: 'device-problem', input, problem: problemOf(error) });
    }
    this.refresh();
  }

  activeDevice(kind: DeviceKind): string | undefined {
    return this.room?.getActiveDevice(kind);
  }

  /** Starts the sound that the browser held back; must be called from a tap. */
  async startAudio(): Promise<void> {
    await this.room?.startAudio();
    this.refresh();
  }

  private async publish(room: Room, lib: LiveKit, media: JoinMedia): Promise<void> {
    const me = room.localParticipant;
    const capture = this.capture;
    if (!this.rights.microphone) media.microphone?.stop();
    if (!this.rights.camera) media.camera?.stop();
    // The preview is opened in full size; these are wishes, and no camera is left out for them.
    if (media.camera && capture.sending !== 'high') await recapture(media.camera, capture).catch(() => undefined);
    const tracks = [
      media.microphone && this.rights.microphone && { track: new lib.LocalAudioTrack(media.microphone, deviceOf(media.microphone), false), source: lib.Track.Source.Microphone },
      media.camera && this.rights.camera && { track: new lib.LocalVideoTrack(media.camera, deviceOf(media.camera), false), source: lib.Track.Source.Camera },
    ];
    for (const item of tracks) {
      if (!item) continue;
      try {
        await me.publishTrack(item.track, { source: item.source });
      } catch {
        item.track.stop();
        // The call itself stands: one can still listen and write.
        if (this.room?.state === lib.ConnectionState.Connected) this.tell({ kind: 'may-not-publish' });
      }
    }
    const camera = this.ownCamera();
    this.remember(room, camera);
    if (camera) this.checkBlur(camera.mediaStreamTrack);
    this.sentAs = capture.sending;
    this.refresh();
    // Another choice may have been made meanwhile.
    this.resend();
  }

  private async switching(
    input: 'microphone' | 'camera' | 'screen',
    act: (room: Room, lib: LiveKit) => Promise<unknown>,
  ): Promise<void> {
    const { room, lib } = this;
    if (!room || !lib || this.busy.has(input)) return;
    this.busy.add(input);
    this.refresh();
    try {
      await act(room, lib);
    } catch (error) {
      const problem = problemOf(error);
      // Closing the browser's own screen chooser is a decision, not a fault.
      if (!(input === 'screen' && problem === 'denied')) this.tell({ kind: 'device-problem', input, problem });
    } finally {
      this.busy.delete(input);
      this.refresh();
      if (input === 'camera') this.resend();
    }
  }

  private get capture(): Capture {
    return { sending: this.savingData ? 'low' : this.sending, blur: wantedBlur(this.choices) };
  }

  /** Blurring is a wish that a camera may not be able to meet: who relies on it is told. */
  private checkBlur(track: MediaStreamTrack): void {
    if (wantedBlur(this.choices) && track.getSettings().backgroundBlur !== true) this.tell({ kind: 'not-blurred' });
  }

  private ownCamera(): LocalVideoTrack | undefined {
    const { room, lib } = this;
    return lib && room?.localParticipant.getTrackPublication(lib.Track.Source.Camera)?.videoTrack;
  }

  /** Lets the camera come back, after a pause or a reconnect, as it is wanted now. */
  private remember(room: Room, track: LocalVideoTrack | undefined): void {
    room.options.videoCaptureDefaults = { ...room.options.videoCaptureDefaults, ...captureOptions(this.capture) };
    if (track) Object.assign(track.constraints, captureConstraints(this.capture));
  }

  /**
   * Sends the own picture as it is wanted now. The layers that are told to the server follow from the camera's size when a
   * track is published, so it is published anew.
   */
  private resend(): void {
    this.changed();
    if (this.capture.sending === this.sentAs || !this.room || this.busy.has('camera')) return;
    this.sentAs = this.capture.sending;
    void this.switching('camera', async (room, lib) => {
      const track = this.ownCamera();
      this.remember(room, track);
      if (!track) return;
      const me = room.localParticipant;
      if (track.isMuted) {
        await me.unpublishTrack(track, true);
        return;
      }
      await recapture(track.mediaStreamTrack, this.capture);
      await me.unpublishTrack(track, false);
      try {
        await me.publishTrack(track, { source: lib.Track.Source.Camera });
      } catch (error) {
        // Not sent, and shown as off: then it must not stay open.
        track.stop();
        throw error;
      }
    });
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
    room.on(RoomEvent.Reconnected, () => this.mended(room));
    room.on(RoomEvent.LocalTrackPublished, (publication: LocalTrackPublication) => this.watchEnd(publication, lib));
    room.on(RoomEvent.Disconnected, (reason) => {
      if (this.phase === 'connected') void this.over(endingOfDisconnect(reason, this.leaving));
    });
    room.on(RoomEvent.DataReceived, (_payload, from, _kind, topic) => {
      if (topic === callTopic && !from) void this.moderation?.read();
    });
    room.registerTextStreamHandler(chatTopic, (reader, from) => {
      const sender: Participant | undefined = room.remoteParticipants.get(from.identity);
      const name = sender?.name?.trim() ? sender.name : from.identity;
      reader.readAll().then(
        (text) => this.chat.receive({ id: reader.info.id, identity: from.identity, name, text, at: new Date() }),
        () => undefined, // A stream cut off by its sender's leaving, or too long: there is no message to show.
      );
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

  private mended(room: Room): void {
    this.thread?.hurry();
    const rebuilt = this.link === 'rebuilding';
    this.link = 'steady';
    if (rebuilt) this.chat.restored(this.transport(room), this.brokenAt);
    else this.chat.connected(this.transport(room));
    this.refresh();
  }

  /** A device that is pulled out ends its track; livekit-client turns to another one, here it is only said. */
  private watchEnd({ source, track }: LocalTrackPublication, lib: LiveKit): void {
    const input = source === lib.Track.Source.Microphone ? 'microphone' : 'camera';
    if (input === 'camera' && source !== lib.Track.Source.Camera) return;
    if (!track || this.watched.has(track)) return;
    this.watched.add(track);
    track.on(lib.TrackEvent.Ended, () => {
      this.tell({ kind: 'device-lost', input });
      this.refresh();
    });
    track.on(lib.TrackEvent.Restarted, () => {
      if (input === 'camera') this.checkBlur(track.mediaStreamTrack);
      this.refresh();
    });
  }

  private openThread(room: Room): void {
    const facts = readToken(this.way.token);
    if (!facts?.conversation || !facts.permissions.includes('chat:read')) return;
    // Opening it gives a place in it, and an audience may be large: what it writes gets there from the room.
    if (roleOf(room.localParticipant) === 'viewer') return;
    // Tokens that are refreshed on the way may be for the room alone.
    const token = (): string => (readToken(this.newestToken)?.conversation ? this.newestToken : this.way.token);
    this.thread = openThread(this.way.serverUrl, facts.conversation, facts.identity, token, placePatience);
    this.thread.start();
  }

  private transport(room: Room): ChatTransport {
    return {
      async send(id, text) {
        const bytes = new TextEncoder().encode(text).length;
        const writer = await room.localParticipant.streamText({ topic: chatTopic, streamId: id, totalSize: bytes });
        await writer.write(text);
        await writer.close();
      },
    };
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
    this.chat.ended();
    this.thread?.stop();
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
    if (!before) return;
    // The server has ended the tracks; here their devices are let go.
    for (const { track } of [...room.localParticipant.trackPublications.values()]) {
      if (track) void room.localParticipant.unpublishTrack(track, true);
    }
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

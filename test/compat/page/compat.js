// One livekit-client as an application would use it, which writes down what it is told. Specs drive it through window.compat.
import * as lk from './livekit-client.esm.mjs';

const { Room, RoomEvent, Track } = lk;

const events = [];
const texts = [];
const streams = [];
const files = [];
const data = [];
let room;

function note(name, detail = {}) {
  events.push({ name, ...detail });
}

/** Shows a received track, named so that a spec finds it. */
function show(track, publication, participant) {
  const element = track.attach();
  element.id = `${participant.identity}-${publication.source}`;
  document.getElementById(element.id)?.remove();
  document.body.append(element);
}

function listen(room) {
  room
    .on(RoomEvent.TrackSubscribed, (track, publication, participant) => {
      show(track, publication, participant);
      note('trackSubscribed', { sid: publication.trackSid, identity: participant.identity, source: publication.source });
    })
    .on(RoomEvent.TrackUnsubscribed, (track, publication, participant) => {
      for (const element of track.detach()) element.remove();
      note('trackUnsubscribed', { sid: publication.trackSid, identity: participant.identity });
    })
    .on(RoomEvent.TrackMuted, (publication, participant) => note('muted', { sid: publication.trackSid, identity: participant.identity }))
    .on(RoomEvent.TrackUnmuted, (publication, participant) => note('unmuted', { sid: publication.trackSid, identity: participant.identity }))
    .on(RoomEvent.ParticipantConnected, (participant) => note('connected', { identity: participant.identity, sid: participant.sid }))
    .on(RoomEvent.ParticipantDisconnected, (participant) => note('disconnected', { identity: participant.identity, sid: participant.sid }))
    .on(RoomEvent.Disconnected, (reason) => note('left', { reason: lk.DisconnectReason[reason] }))
    .on(RoomEvent.SignalReconnecting, () => note('resuming'))
    .on(RoomEvent.Reconnecting, () => note('reconnecting'))
    .on(RoomEvent.Reconnected, () => note('reconnected'))
    .on(RoomEvent.TrackSubscriptionPermissionChanged, (publication, status, participant) =>
      note('permission', { sid: publication.trackSid, identity: participant.identity, status }),
    )
    .on(RoomEvent.TrackStreamStateChanged, (publication, state, participant) =>
      note('stream', { sid: publication.trackSid, identity: participant.identity, status: state }),
    )
    .on(RoomEvent.ParticipantEncryptionStatusChanged, (encrypted, participant) =>
      note('encrypted', { identity: participant?.identity, status: String(encrypted) }),
    )
    .on(RoomEvent.EncryptionError, (error) => note('encryptionError', { reason: error.message }))
    .on(RoomEvent.DataReceived, (payload, participant, kind, topic) =>
      data.push({ text: new TextDecoder().decode(payload), identity: participant?.identity, reliable: kind === 0, topic }),
    );
  room.registerTextStreamHandler('lk.chat', async (reader, { identity }) => {
    const text = await reader.readAll();
    texts.push({ identity, text });
    streams.push({ id: reader.info.id, identity, text, attributes: reader.info.attributes ?? {}, files: reader.info.attachedStreamIds });
  });
  for (const topic of ['files', 'lk.chat']) {
    room.registerByteStreamHandler(topic, async (reader, { identity }) => {
      const chunks = await reader.readAll();
      files.push({ identity, id: reader.info.id, name: reader.info.name, bytes: [...new Uint8Array(await new Blob(chunks).arrayBuffer())] });
    });
  }
  room.registerRpcMethod('double', async ({ callerIdentity, payload }) => `${callerIdentity}:${payload}${payload}`);
}

function tracks(participant) {
  return [...participant.trackPublications.values()].map((publication) => ({
    sid: publication.trackSid,
    source: publication.source,
    muted: publication.isMuted,
    subscribed: publication.isSubscribed,
    info: publication.trackInfo?.toJson(),
  }));
}

/** Energy of the sound that arrived so far in all received tracks. */
async function energy() {
  let total = 0;
  for (const participant of room.remoteParticipants.values()) {
    for (const publication of participant.trackPublications.values()) {
      const report = await publication.track?.receiver?.getStats();
      for (const entry of report?.values() ?? []) {
        if (entry.type === 'inbound-rtp') total += entry.totalAudioEnergy ?? 0;
      }
    }
  }
  return total;
}

/** The SRTP profiles of the connections that carry its own tracks and those of others. */
async function ciphers() {
  const found = new Set();
  for (const participant of [room.localParticipant, ...room.remoteParticipants.values()]) {
    for (const publication of participant.trackPublications.values()) {
      const report = await (publication.track?.sender ?? publication.track?.receiver)?.getStats();
      for (const entry of report?.values() ?? []) {
        if (entry.type === 'transport' && entry.srtpCipher) found.add(entry.srtpCipher);
      }
    }
  }
  return [...found];
}

/** How the connections that carry tracks reach the server: what carries them to the relay, 'direct' for what does not use it. */
async function ways() {
  const found = new Set();
  for (const participant of [room.localParticipant, ...room.remoteParticipants.values()]) {
    for (const publication of participant.trackPublications.values()) {
      const report = await (publication.track?.sender ?? publication.track?.receiver)?.getStats();
      for (const entry of report?.values() ?? []) {
        const pair = entry.type === 'transport' && report.get(entry.selectedCandidatePairId);
        const local = pair && report.get(pair.localCandidateId);
        if (local) found.add(local.relayProtocol ?? 'direct'); // the relay's address may have shown as another one: the type says nothing
      }
    }
  }
  return [...found];
}

/** What the browser counts of a track that it receives. */
async function inbound(identity, source) {
  const report = await room.remoteParticipants.get(identity)?.getTrackPublication(source)?.track?.receiver?.getStats();
  for (const entry of report?.values() ?? []) {
    if (entry.type !== 'inbound-rtp') continue;
    return {
      mime: report.get(entry.codecId)?.mimeType,
      width: entry.frameWidth ?? 0,
      frames: entry.framesDecoded ?? 0,
      frozen: entry.totalFreezesDuration ?? 0,
      packets: entry.packetsReceived,
      bytes: entry.bytesReceived,
      lost: entry.packetsLost,
      repaired: entry.retransmittedPacketsReceived ?? 0,
      nacks: entry.nackCount ?? 0,
      plis: entry.pliCount ?? 0,
    };
  }
  return undefined;
}

/** What the browser counts of a track that it sends: one entry for each encoding of each codec. */
async function outbound(source) {
  const track = room.localParticipant.getTrackPublication(source)?.track;
  const encodings = [];
  let available = 0;
  for (const sender of [track?.sender, ...[...(track?.simulcastCodecs?.values() ?? [])].map((codec) => codec.sender)]) {
    const report = await sender?.getStats();
    for (const entry of report?.values() ?? []) {
      if (entry.type === 'candidate-pair' && entry.nominated) available = Math.max(available, entry.availableOutgoingBitrate ?? 0);
      if (entry.type !== 'outbound-rtp') continue;
      encodings.push({
        rid: entry.rid,
        mime: report.get(entry.codecId)?.mimeType,
        active: entry.active,
        mode: entry.scalabilityMode,
        width: entry.frameWidth ?? 0,
        frames: entry.framesEncoded ?? 0,
        packets: entry.packetsSent,
      });
    }
  }
  return { encodings, available };
}

// Descriptions in the order applied: how often it negotiated, and how large that grew.
const descriptions = [];
for (const side of ['Local', 'Remote']) {
  const apply = RTCPeerConnection.prototype[`set${side}Description`];
  RTCPeerConnection.prototype[`set${side}Description`] = async function (...args) {
    if (side === 'Remote' && change.description) args[0] = change.description(args[0]);
    await apply.apply(this, args);
    if (side === 'Remote') leaveOut(this.getTransceivers());
    const { type, sdp } = this[`current${side}Description`] ?? this[`pending${side}Description`];
    descriptions.push({ side: side.toLowerCase(), type, sections: sdp.split('\r\nm=').length - 1, bytes: sdp.length });
  };
}

// What differs from an ordinary browser.
const change = { without: [], description: undefined, candidate: undefined };

/** Makes the browser one that cannot receive some codecs. */
function leaveOut(transceivers) {
  for (const transceiver of transceivers) {
    const { kind } = transceiver.receiver.track;
    const left = RTCRtpReceiver.getCapabilities(kind).codecs.filter(({ mimeType }) => !change.without.includes(mimeType.toLowerCase()));
    if (change.without.some((mime) => mime.startsWith(kind)) && !transceiver.stopped) transceiver.setCodecPreferences(left);
  }
}
const addTransceiver = RTCPeerConnection.prototype.addTransceiver;
RTCPeerConnection.prototype.addTransceiver = function (...args) {
  const transceiver = addTransceiver.apply(this, args);
  leaveOut([transceiver]);
  return transceiver;
};

const addIceCandidate = RTCPeerConnection.prototype.addIceCandidate;
RTCPeerConnection.prototype.addIceCandidate = async function (candidate) {
  const changed = change.candidate && candidate?.candidate ? change.candidate(candidate) : candidate;
  if (changed !== null) await addIceCandidate.call(this, changed);
};

/** Sends all media by the line on this port of the loopback. The server is told of no candidates, so that it does not find another way. */
function sendBy(port) {
  Object.defineProperty(RTCPeerConnection.prototype, 'onicecandidate', { set() {} });
  for (const name of ['createOffer', 'createAnswer']) {
    const create = RTCPeerConnection.prototype[name];
    RTCPeerConnection.prototype[name] = async function (...args) {
      const { type, sdp } = await create.apply(this, args);
      return { type, sdp: sdp.replace(/a=candidate:.*\r\n/g, '') };
    };
  }
  const moved = (line) => line.replace(/( udp \d+) \S+ \d+ /i, `$1 127.0.0.1 ${port} `);
  change.candidate = (init) => (/ tcp /i.test(init.candidate) ? null : { ...init, candidate: moved(init.candidate) });
  change.description = ({ type, sdp }) => ({
    type,
    sdp: sdp
      .split('\r\n')
      .filter((line) => !/^a=candidate:.* tcp /i.test(line))
      .map((line) => (line.startsWith('a=candidate:') ? moved(line) : line))
      .join('\r\n'),
  });
}

window.compat = {
  lk,
  descriptions,
  inbound,
  outbound,
  events,
  texts,
  streams,
  files,
  data,
  energy,
  ciphers,
  ways,
  get room() {
    return room;
  },
  async connect(url, token, { room: options, connect, without, linePort, passphrase }) {
    change.without = without ?? [];
    if (linePort) sendBy(linePort);
    if (passphrase) {
      const keyProvider = new lk.ExternalE2EEKeyProvider();
      await keyProvider.setKey(passphrase);
      options.encryption = { keyProvider, worker: new Worker('livekit-client.e2ee.worker.mjs', { type: 'module' }) };
    }
    room = new Room(options);
    listen(room);
    if (passphrase) await room.setE2EEEnabled(true);
    await room.connect(url, token, connect);
  },
  state: () => ({
    state: room.state,
    sid: room.localParticipant.sid,
    permissions: room.localParticipant.permissions?.toJson(),
    tracks: tracks(room.localParticipant),
    others: [...room.remoteParticipants.values()].map((participant) => ({
      identity: participant.identity,
      sid: participant.sid,
      tracks: tracks(participant),
    })),
  }),
};

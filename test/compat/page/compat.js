// One livekit-client as an application would use it, which writes down what it is told. Specs drive it through window.compat.
import * as lk from './livekit-client.esm.mjs';

const { Room, RoomEvent } = lk;

const events = [];
const texts = [];
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
    .on(RoomEvent.DataReceived, (payload, participant, kind, topic) =>
      data.push({ text: new TextDecoder().decode(payload), identity: participant?.identity, reliable: kind === 0, topic }),
    );
  room.registerTextStreamHandler('lk.chat', async (reader, { identity }) => {
    texts.push({ identity, text: await reader.readAll() });
  });
  room.registerByteStreamHandler('files', async (reader, { identity }) => {
    const chunks = await reader.readAll();
    files.push({ identity, name: reader.info.name, bytes: [...new Uint8Array(await new Blob(chunks).arrayBuffer())] });
  });
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

window.compat = {
  lk,
  events,
  texts,
  files,
  data,
  energy,
  ciphers,
  ways,
  get room() {
    return room;
  },
  async connect(url, token, options = {}, connectOptions = {}) {
    room = new Room(options);
    listen(room);
    await room.connect(url, token, connectOptions);
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

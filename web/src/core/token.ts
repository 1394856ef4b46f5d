/** What the page may read of a join token. Nothing here is verified: only the server decides. */
export interface TokenFacts {
  identity: string;
  name: string;
  room: string;
  /** Whether the token lets its holder send sound or picture. The server may have changed its mind since. */
  maySend: boolean;
  /** The one conversation that the token is for; empty: none, or any. */
  conversation: string;
  /** What it lets its holder do in chats. */
  permissions: readonly string[];
  /** Milliseconds since 1970, undefined when the token does not say. */
  expires: number | undefined;
}

interface Claims {
  sub?: unknown;
  name?: unknown;
  exp?: unknown;
  video?: { room?: unknown; canPublish?: unknown };
  scope?: { conversation?: unknown };
  permissions?: unknown;
}

const text = (value: unknown): string => (typeof value === 'string' ? value : '');

/** Reads the claims of a JWT; undefined when it is none. */
export function readToken(token: string): TokenFacts | undefined {
  const parts = token.split('.');
  const body = parts[1];
  if (parts.length !== 3 || !body) return undefined;
  try {
    const raw = atob(body.replace(/-/g, '+').replace(/_/g, '/'));
    const bytes = Uint8Array.from(raw, (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Claims | null;
    if (typeof claims !== 'object' || claims === null) return undefined;
    return {
      identity: text(claims.sub),
      name: text(claims.name),
      room: text(claims.video?.room),
      maySend: claims.video?.canPublish !== false,
      conversation: text(claims.scope?.conversation),
      permissions: Array.isArray(claims.permissions) ? claims.permissions.filter((p) => typeof p === 'string') : [],
      expires: typeof claims.exp === 'number' ? claims.exp * 1000 : undefined,
    };
  } catch {
    return undefined;
  }
}

/** What a call link carries after its `#`. */
export interface Invitation {
  token: string;
  name: string;
}

/** Reads `#token=...&name=...`; undefined when there is no token. */
export function readFragment(fragment: string): Invitation | undefined {
  const values = new URLSearchParams(fragment.replace(/^#/, ''));
  const token = values.get('token');
  return token ? { token, name: values.get('name') ?? '' } : undefined;
}

/** The fragment that carries an invitation. */
export function writeFragment(invitation: Invitation): string {
  const values = new URLSearchParams({ token: invitation.token });
  if (invitation.name) values.set('name', invitation.name);
  return `#${values.toString()}`;
}

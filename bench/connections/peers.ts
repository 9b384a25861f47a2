// peers — the ways to hold many WebSockets, behind one door.
// Opened by client.ts, in a process that has nothing else. Each loads its library when it is its turn: the memory of
// one is not in the figures of another.

export interface ConnectionPeer {
  readonly label: string;
  /** Resolves with what opens one more, and resolves once that is open. */
  readonly load: (url: string) => Promise<() => Promise<unknown>>;
}

export const CONNECTION_PEER_NAMES = ['gunport', 'ws', 'undici'] as const;
export type ConnectionPeerName = (typeof CONNECTION_PEER_NAMES)[number];

export const CONNECTION_PEERS: Readonly<Record<ConnectionPeerName, ConnectionPeer>> = {
  gunport: {
    label: 'gunport, connect()',
    load: async (url) => {
      const { connect } = await import('../../lib/index.ts');
      return () => connect(url);
    },
  },
  ws: {
    label: 'ws on main',
    load: async (url) => {
      const { WebSocket } = await import('ws');
      return () =>
        new Promise((resolve, reject) => {
          const client = new WebSocket(url, { perMessageDeflate: false });
          client.on('message', () => {});
          client.on('error', reject);
          client.on('open', () => resolve(client));
        });
    },
  },
  undici: {
    label: 'undici WebSocket on main',
    load: async (url) => {
      const { WebSocket } = await import('undici');
      return () =>
        new Promise((resolve, reject) => {
          const client = new WebSocket(url);
          client.addEventListener('message', () => {});
          client.addEventListener('error', ({ error }) => reject(error));
          client.addEventListener('open', () => resolve(client));
        });
    },
  },
};

/** For client.ts, which is told by name. */
export function isConnectionPeer(name: string | undefined): name is ConnectionPeerName {
  return CONNECTION_PEER_NAMES.some((one) => one === name);
}

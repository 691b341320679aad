// Data that no entity can carry: what the integration sends to a card, now and when it is renewed.

const feeds = new Map();
const AGAIN_MS = 5000;

/**
 * Call `take(sent)` with a site's data of a kind, until the returned function is called.
 * Cards that follow the same share one subscription.
 */
export function follow(connection, kind, site, take) {
  const key = `${kind} ${site}`;
  if (!feeds.has(key)) feeds.set(key, new Feed(connection, { type: `computeload/${kind}`, site }));
  const feed = feeds.get(key);
  feed.takers.add(take);
  if (feed.sent) take(feed.sent);
  return () => {
    feed.takers.delete(take);
    if (feed.takers.size) return;
    feed.end();
    feeds.delete(key);
  };
}

/** One subscription, begun anew after the connection was lost, and tried again if it is refused. */
class Feed {
  takers = new Set();
  sent = null;

  constructor(connection, message) {
    Object.assign(this, { _connection: connection, _message: message, _begin: () => this._subscribe() });
    connection.addEventListener("ready", this._begin);
    this._subscribe();
  }

  end() {
    this._connection.removeEventListener("ready", this._begin);
    clearTimeout(this._timer);
    this._stop?.().catch(() => {});
    this._ended = true;
  }

  async _subscribe() {
    clearTimeout(this._timer);
    this._stop = null;
    try {
      // Home Assistant may not know the command yet while it starts, so it is asked again here.
      const stop = await this._connection.subscribeMessage((sent) => this._tell(sent), this._message, {
        resubscribe: false,
      });
      if (this._ended) stop().catch(() => {});
      else this._stop = stop;
    } catch (error) {
      if (this._ended) return;
      this._tell({ refused: error.message ?? String(error.code) });
      this._timer = setTimeout(this._begin, AGAIN_MS);
    }
  }

  _tell(sent) {
    this.sent = sent;
    for (const take of [...this.takers]) take(sent);
  }
}

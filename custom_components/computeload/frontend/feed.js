// Data that no entity can carry: what the integration sends to a card, now and when it is renewed.

const feeds = new Map();

/**
 * Call `take(data, problem)` with a site's data of a kind, until the returned function is
 * called. Cards that follow the same share one subscription.
 */
export function follow(connection, kind, site, take) {
  const key = `${kind} ${site}`;
  const feed = feeds.get(key) ?? begun(connection, kind, site, key);
  feed.takers.add(take);
  if (feed.data || feed.problem) take(feed.data, feed.problem);
  return () => {
    feed.takers.delete(take);
    if (feed.takers.size) return;
    if (feeds.get(key) === feed) feeds.delete(key);
    feed.stop.then((stop) => stop?.(), () => {});
  };
}

function begun(connection, kind, site, key) {
  const feed = { takers: new Set(), data: null, problem: null };
  const tell = (data, problem) => {
    Object.assign(feed, { data, problem });
    for (const take of [...feed.takers]) take(data, problem);
  };
  feeds.set(key, feed);
  feed.stop = connection
    .subscribeMessage((data) => tell(data, null), { type: `computeload/${kind}`, site })
    .catch((error) => {
      feeds.delete(key);
      tell(null, error.message ?? String(error.code));
    });
  return feed;
}

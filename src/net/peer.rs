//! Who is at the other end of a connection, and which calls it has under way.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;

use super::room::{Entry, Place};

/// The other end of a connection: in the extensions of every request that came over a
/// socket.
#[derive(Clone)]
pub struct Peer {
    /// Of the TCP connection: a proxy's, where one is in front. [`caller`] knows.
    pub address: SocketAddr,
    entry: Arc<Entry>,
}

/// A call under way, until it is dropped. A connection with one is not cut to make room.
pub struct CallGuard(Arc<Entry>);

impl Peer {
    pub(super) fn of(place: &Place) -> Self {
        Self {
            address: place.0.address,
            entry: place.0.clone(),
        }
    }

    /// Counts a call on this connection. The servers do so themselves, for every
    /// request from its headers to the end of its answer.
    pub fn begin_call(&self) -> CallGuard {
        self.entry.begin();
        CallGuard(self.entry.clone())
    }

    /// The calls under way on this connection.
    pub fn calls_under_way(&self) -> usize {
        self.entry.under_way()
    }

    /// Closes the connection, whatever is under way on it.
    pub fn cut(&self, why: &str) {
        self.entry.evict(why);
    }

    /// Tells the connection from the others of its server.
    pub fn connection(&self) -> u64 {
        self.entry.id
    }

    /// How long it has had no call under way; `None` while it has.
    pub fn idle_for(&self) -> Option<Duration> {
        self.entry.idle_for()
    }
}

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A caller's address, for limits and logs.
///
/// With `behind_proxy` it is the last one in `x-forwarded-for`: the one that the proxy
/// itself has seen; what stands before it anybody may have written. Without a proxy in
/// front the header means nothing, and never counts. What came over no socket comes
/// from this machine.
pub fn caller(peer: Option<&Peer>, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
    let Some(peer) = peer else {
        return Ipv4Addr::LOCALHOST.into();
    };
    let forwarded = behind_proxy.then(|| forwarded_for(headers)).flatten();
    forwarded
        .unwrap_or_else(|| peer.address.ip())
        .to_canonical()
}

fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    let text = last.to_str().ok()?.rsplit(',').next()?.trim();
    // Some proxies add the port, and IPv6 has brackets then.
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    bare.parse()
        .ok()
        .or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))
}

#[cfg(test)]
mod tests {
    use tokio_util::sync::CancellationToken;

    use super::*;
    use crate::net::Limits;
    use crate::net::room::Room;

    fn peer(address: &str) -> Peer {
        let room = Room::new(Limits::default());
        let place = room.admit(address.parse().unwrap(), CancellationToken::new());
        Peer::of(&place.unwrap())
    }

    fn called(behind_proxy: bool, forwarded: &[&str]) -> String {
        let headers = forwarded
            .iter()
            .map(|line| ("x-forwarded-for".parse().unwrap(), line.parse().unwrap()));
        let headers: HeaderMap = headers.collect();
        caller(Some(&peer("10.0.0.1:5000")), &headers, behind_proxy).to_string()
    }

    #[tokio::test]
    async fn only_a_proxys_own_word_counts_and_only_where_there_is_one() {
        assert_eq!(called(false, &["1.2.3.4"]), "10.0.0.1");
        assert_eq!(called(true, &[]), "10.0.0.1");
        for (lines, expected) in [
            (&["1.2.3.4"][..], "1.2.3.4"),
            (&["6.6.6.6, 1.2.3.4"], "1.2.3.4"),
            (&["6.6.6.6", "7.7.7.7,1.2.3.4 "], "1.2.3.4"),
            (&["1.2.3.4:99"], "1.2.3.4"),
            (&["2001:db8::1"], "2001:db8::1"),
            (&["[2001:db8::1]"], "2001:db8::1"),
            (&["[2001:db8::1]:99"], "2001:db8::1"),
            (&["::ffff:1.2.3.4"], "1.2.3.4"),
        ] {
            assert_eq!(called(true, lines), expected, "{lines:?}");
        }
        for garbage in ["", "unknown", "1.2.3.4, ", "1.2.3.4;x", "_hidden", "ä"] {
            assert_eq!(called(true, &[garbage]), "10.0.0.1", "{garbage:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_are_counted_and_their_end_is_when_it_became_idle() {
        let peer = peer("127.0.0.1:1");
        let [one, two] = std::array::from_fn(|_| peer.begin_call());
        assert_eq!((peer.calls_under_way(), peer.idle_for()), (2, None));
        tokio::time::advance(Duration::from_secs(5)).await;
        drop((one, two));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(peer.idle_for(), Some(Duration::from_secs(3)));
    }
}

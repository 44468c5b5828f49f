//! A proxy whose first connections break, and that may lead elsewhere later.

use std::io::{self, Read as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

pub(super) struct Proxy {
    pub(super) address: String,
    server: Arc<Mutex<String>>,
    broken: Arc<AtomicUsize>,
}

impl Proxy {
    /// Each limit is for one connection: it breaks after so many bytes from the
    /// server. Later connections hold.
    pub(super) fn start(server: &str, limits: &'static [u64]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Arc::new(Mutex::new(server.to_owned()));
        let broken = Arc::new(AtomicUsize::new(0));
        let (target, counted) = (server.clone(), broken.clone());
        thread::spawn(move || {
            let limits = limits.iter().copied().map(Some);
            let limits = limits.chain(std::iter::repeat(None));
            for (client, limit) in listener.incoming().zip(limits) {
                let (client, counted) = (client.unwrap(), counted.clone());
                let target = target.lock().unwrap().clone();
                // Nobody listens: the client is hung up on.
                let Ok(server) = TcpStream::connect(&target) else {
                    continue;
                };
                thread::spawn(move || carry(&client, &server, limit, &counted));
            }
        });
        Self {
            address,
            server,
            broken,
        }
    }

    /// From the next connection on.
    pub(super) fn lead_to(&self, server: &str) {
        server.clone_into(&mut self.server.lock().unwrap());
    }

    /// How many connections broke at their limit.
    pub(super) fn broken(&self) -> usize {
        self.broken.load(Ordering::Relaxed)
    }
}

/// Until one side ends the connection, or the limit is reached, which counts.
fn carry(client: &TcpStream, server: &TcpStream, limit: Option<u64>, broken: &AtomicUsize) {
    thread::scope(|scope| {
        scope.spawn(|| {
            let _ended = io::copy(&mut &*client, &mut &*server);
            let _ended = server.shutdown(Shutdown::Both);
        });
        let mut rest = (&*server).take(limit.unwrap_or(u64::MAX));
        let _ended = io::copy(&mut rest, &mut &*client);
        if rest.limit() == 0 {
            broken.fetch_add(1, Ordering::Relaxed);
        }
        for side in [client, server] {
            let _ended = side.shutdown(Shutdown::Both);
        }
    });
}

//! The way from one process to the database, which can be cut: what is sent then
//! gets nowhere, and nobody is told. A connection stays open, a new one hangs.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A way that ends when it is dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    _ends: DropGuard,
}

#[derive(Clone, Copy, Debug, Default)]
struct Way {
    is_cut: bool,
    /// How often the connections were reset.
    resets: u64,
}

/// What becomes of what was held up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heal {
    /// It arrives late.
    PassOn,
    /// It is lost, and both ends are told: who was between them forgot them.
    Reset,
}

impl Proxy {
    /// To the server that listens there.
    pub(super) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let way = watch::Sender::new(Way::default());
        let stop = CancellationToken::new();
        let (ways, stopped) = (way.clone(), stop.clone());
        tokio::spawn(stopped.run_until_cancelled_owned(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(carry(client, server, ways.subscribe()));
            }
        }));
        Self {
            address,
            way,
            _ends: stop.drop_guard(),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn cut(&self) {
        self.way.send_modify(|way| way.is_cut = true);
    }

    pub(super) fn heal(&self, how: Heal) {
        self.way.send_modify(|way| {
            way.is_cut = false;
            way.resets += match how {
                Heal::PassOn => 0,
                Heal::Reset => 1,
            };
        });
    }
}

/// One connection, until one of its ends is gone or it is reset.
async fn carry(client: TcpStream, server: SocketAddr, mut way: watch::Receiver<Way>) {
    let resets = way.borrow().resets;
    let reset = {
        let mut way = way.clone();
        async move { drop(way.wait_for(|way| way.resets != resets).await) }
    };
    let both = async {
        way.wait_for(|way| !way.is_cut).await.ok()?;
        let server = TcpStream::connect(server).await.ok()?;
        for end in [&client, &server] {
            // So that an end that comes by a reset, or by this task's, is one for both.
            end.set_zero_linger().ok()?;
            end.set_nodelay(true).ok()?;
        }
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(
            pump(from_client, to_server, way.clone()),
            pump(from_server, to_client, way.clone())
        );
        Some(())
    };
    tokio::select! {
        // First: what was held up is lost with it.
        biased;
        () = reset => {}
        _over = both => {}
    }
}

/// One direction.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut way: watch::Receiver<Way>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        // Here it is held up: what comes behind it stays where it is.
        if way.wait_for(|way| !way.is_cut).await.is_err()
            || to.write_all(&buffer[..read]).await.is_err()
        {
            break;
        }
    }
    if way.wait_for(|way| !way.is_cut).await.is_ok() {
        let _gone = to.shutdown().await;
    }
}

#[tokio::test]
async fn what_is_held_up_arrives_late_or_is_lost_with_its_connection() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = Proxy::start(server.local_addr().unwrap()).await;
    let mut client = TcpStream::connect(proxy.address()).await.unwrap();
    let (mut served, _) = server.accept().await.unwrap();
    let mut buffer = [0; 2];
    for healed in [Heal::PassOn, Heal::Reset] {
        client.write_all(b"ab").await.unwrap();
        served.read_exact(&mut buffer).await.unwrap();
        proxy.cut();
        client.write_all(b"cd").await.unwrap();
        served.write_all(b"ef").await.unwrap();
        let mut late = TcpStream::connect(proxy.address()).await.unwrap();
        late.write_all(b"gh").await.unwrap();
        let quick = std::time::Duration::from_millis(100);
        let arrived = async {
            tokio::select! {
                _read = served.read_u8() => {}
                _read = client.read_u8() => {}
                _new = server.accept() => {}
            }
        };
        tokio::time::timeout(quick, arrived).await.unwrap_err();
        proxy.heal(healed);
        match healed {
            Heal::PassOn => {
                served.read_exact(&mut buffer).await.unwrap();
                assert_eq!(&buffer, b"cd");
                client.read_exact(&mut buffer).await.unwrap();
                assert_eq!(&buffer, b"ef");
                let (mut late, _) = server.accept().await.unwrap();
                late.read_exact(&mut buffer).await.unwrap();
                assert_eq!(&buffer, b"gh");
            }
            Heal::Reset => {
                served.read_exact(&mut buffer).await.unwrap_err();
                client.read_exact(&mut buffer).await.unwrap_err();
                late.read_exact(&mut buffer).await.unwrap_err();
            }
        }
    }
}

//! More connections than a server wants.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Target, call, client};

/// As many as are asked for, or as this process can have.
fn connections(wanted: usize) -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let _as_it_is = setrlimit(Resource::Nofile, raised);
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let possible = usize::try_from(current).unwrap_or(usize::MAX);
    // The other tests of this process need some too.
    wanted.min(possible.saturating_sub(1500))
}

/// Opens so many and says nothing over them.
async fn open(address: &str, count: usize) -> Vec<TcpStream> {
    let mut opened = Vec::with_capacity(count);
    let mut opening = JoinSet::new();
    for _ in 0..count {
        let address = address.to_owned();
        opening.spawn(async move { TcpStream::connect(address).await });
        // Beyond the kernel's queue a connection is only tried again a second later.
        if opening.len() == 100 {
            opened.extend(opening.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(stream) = opening.join_next().await {
        opened.extend(stream.unwrap());
    }
    opened
}

#[tokio::test]
async fn ten_thousand_silent_connections_keep_nobody_from_being_served() {
    let mut target = Target::new().await;
    let count = connections(10_000);
    // One that was there before, and has made a call.
    let mut other = client(target.grpc()).await;
    call(&mut other).await;
    for address in [target.grpc(), target.http()].map(str::to_owned) {
        let mut opening = std::pin::pin!(open(&address, count));
        let opened = loop {
            tokio::select! {
                opened = &mut opening => break opened,
                () = call(&mut other) => {}
            }
        };
        eprintln!(
            "{} connections to {address} were opened and held",
            opened.len()
        );
        assert_eq!(opened.len(), count);
        for _ in 0..10 {
            call(&mut other).await;
            target.answers().await;
        }
    }
    target.withstood("silent connections", 150).await;
}

#[tokio::test]
async fn with_few_places_a_new_caller_takes_that_of_who_does_nothing() {
    let target = Target::with(&["--set", "server.max_connections=4"]).await;
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = client(target.grpc()).await;
        call(&mut client).await;
        clients.push(client);
    }
    // Those whose connection was closed connect again, and are served.
    for client in &mut clients {
        call(client).await;
    }
}

use super::super::topology::Event;
use super::*;
use nix::sched::{CloneFlags, unshare};

const DEADLINE: Duration = Duration::from_secs(20);

/// Runs a test with a resolver in a network namespace that has nothing but `lo`.
fn in_namespace(test: impl AsyncFnOnce(Resolver) + Send + 'static) {
    let thread = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).expect("a network namespace (are you root?)");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { test(Resolver::start().await.unwrap()).await });
    });
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

async fn until(resolver: &mut Resolver, met: impl Fn(&Resolver) -> bool) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while !met(resolver) {
        tokio::time::timeout_at(deadline, resolver.changed()).await.expect("not in time");
    }
}

#[test]
fn what_was_told_in_vain_is_read_again() {
    in_namespace(async |mut resolver| {
        let now = Instant::now();
        let lo = resolver.interface("lo").unwrap().index;
        resolver.table.apply(Event::LinkGone(lo), now);
        resolver.table.take_change();
        assert!(resolver.interface("lo").is_none());
        resolver.take_in(Happened::Told(Some(NetlinkPayload::Overrun(vec![]))), now);
        until(&mut resolver, |resolver| resolver.interface("lo").is_some()).await;
    });
}

#[test]
fn a_lost_connection_is_made_again() {
    in_namespace(async |mut resolver| {
        let address = "127.0.0.1".parse().unwrap();
        resolver.want([address].into());
        resolver.disconnected(&closed(), Instant::now());
        until(&mut resolver, Resolver::complete).await;
        let change = rtnetlink::LinkMessageBuilder::<rtnetlink::LinkUnspec>::new()
            .index(resolver.interface("lo").unwrap().index)
            .up()
            .build();
        let (connection, handle, _) = rtnetlink::new_connection().unwrap();
        tokio::spawn(connection);
        handle.link().set(change).execute().await.unwrap();
        until(&mut resolver, |resolver| {
            resolver.resolutions().get(&address) == Some(&Resolution::Local)
        })
        .await;
    });
}

use super::*;

fn note(log: &EventLog, message: impl Into<String>) {
    log.record(EventKind::Change, Some("web"), None, message);
}

fn sequences(log: &EventLog, after: u64) -> Vec<u64> {
    log.after(after).iter().map(|event| event.sequence).collect()
}

#[test]
fn events_are_counted_and_found_again() {
    let log = EventLog::default();
    assert_eq!((sequences(&log, 0), *log.last().borrow()), (vec![], 0));
    let before = now();
    log.warn(EventKind::Health, Some("web"), Some("webA"), "down: connection refused");
    note(&log, "b");
    note(&log, "c");
    assert_eq!(sequences(&log, 0), [1, 2, 3]);
    assert_eq!(sequences(&log, 2), [3]);
    assert_eq!(sequences(&log, 3), [0u64; 0]);
    assert_eq!(sequences(&log, u64::MAX - 1), [0u64; 0]);
    assert_eq!(*log.last().borrow(), 3);
    let first = log.after(0).swap_remove(0);
    assert!((before..=now()).contains(&first.time), "{first:?}");
    let expected = Event {
        sequence: 1,
        time: first.time,
        kind: EventKind::Health,
        service: Some("web".to_owned()),
        server: Some("webA".to_owned()),
        message: "down: connection refused".to_owned(),
    };
    assert_eq!(*first, expected);
}

#[test]
fn the_oldest_are_forgotten() {
    let log = EventLog::default();
    for number in 0..REMEMBERED + 5 {
        note(&log, number.to_string());
    }
    let all = log.after(0);
    assert_eq!((all.len(), all[0].sequence, &*all[0].message), (REMEMBERED, 6, "5"));
    assert_eq!(sequences(&log, 5)[0], 6);
    assert_eq!(sequences(&log, 6)[0], 7);
    assert_eq!(sequences(&log, REMEMBERED as u64 + 4), [REMEMBERED as u64 + 5]);
}

#[test]
fn recorders_of_many_threads_leave_no_gap() {
    let log = EventLog::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| note(&log, "x")));
        }
    });
    assert_eq!(sequences(&log, 0), (1..=2000).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_waits_is_told() {
    let log = EventLog::default();
    let mut last = log.last();
    let recorder = log.clone();
    let thread = std::thread::spawn(move || note(&recorder, "x"));
    let told = tokio::time::timeout(std::time::Duration::from_secs(20), last.changed());
    told.await.unwrap().unwrap();
    assert_eq!(sequences(&log, 0), [1]);
    thread.join().unwrap();
}

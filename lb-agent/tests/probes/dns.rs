//! DNS queries.

use crate::{answer, failed, passed, run, run_out};
use hickory_proto::{
    op::{Message, MessageType, Query, ResponseCode},
    rr::{Name, RData, Record, RecordType, rdata},
};
use lb_agent::health::check::{Dns, Probe};
use std::net::SocketAddr;
use tokio::net::UdpSocket;

fn asks(expect: Option<&str>) -> Probe {
    Probe::Dns(Dns {
        name: "www.example".into(),
        record: "A".into(),
        expect: expect.map(str::to_owned),
    })
}

/// The query's answer: 192.0.2.1, behind an alias.
fn good(query: &Message) -> Message {
    let mut answer = query.clone();
    answer.metadata.message_type = MessageType::Response;
    let name = query.queries[0].name().clone();
    let alias = Name::from_ascii("web.example.").expect("a name");
    let cname = RData::CNAME(rdata::CNAME(alias.clone()));
    answer.add_answer(Record::from_rdata(name, 60, cname));
    let address = RData::A(rdata::A::new(192, 0, 2, 1));
    answer.add_answer(Record::from_rdata(alias, 60, address));
    answer
}

/// A server whose answers are made from good ones.
async fn server(answers: impl Fn(&Message) -> Vec<Message> + Send + 'static) -> SocketAddr {
    answer(move |bytes| {
        let query = Message::from_vec(bytes).expect("a query");
        assert!(query.metadata.recursion_desired);
        let answers = answers(&query);
        answers.iter().map(|answer| answer.to_vec().expect("an answer")).collect()
    })
    .await
}

async fn with_code(code: ResponseCode) -> SocketAddr {
    server(move |query| {
        let mut answer = good(query);
        answer.answers.clear();
        answer.metadata.response_code = code;
        vec![answer]
    })
    .await
}

#[tokio::test]
async fn any_answer_passes_unless_one_is_expected() {
    let target = server(|query| vec![good(query)]).await;
    assert_eq!(run(&asks(None), target).await, passed("NOERROR"));
    let right = run(&asks(Some("192.0.2.1")), target).await;
    assert_eq!(right, passed("NOERROR, with 192.0.2.1"));
    let wrong = run(&asks(Some("192.0.2.2")), target).await;
    assert_eq!(wrong, failed("NOERROR, but no A record \"192.0.2.2\""));
    let empty = with_code(ResponseCode::NoError).await;
    assert_eq!(run(&asks(None), empty).await, passed("NOERROR"));
}

#[tokio::test]
async fn error_codes_fail() {
    let rows = [
        (ResponseCode::NXDomain, "NXDOMAIN"),
        (ResponseCode::ServFail, "SERVFAIL"),
        (ResponseCode::Refused, "REFUSED"),
    ];
    for (code, cause) in rows {
        assert_eq!(run(&asks(None), with_code(code).await).await, failed(cause));
    }
}

#[tokio::test]
async fn an_error_need_not_repeat_the_question() {
    let target = server(|query| {
        let id = query.metadata.id;
        vec![Message::error_msg(id, query.metadata.op_code, ResponseCode::FormErr)]
    })
    .await;
    assert_eq!(run(&asks(None), target).await, failed("FORMERR"));
}

/// Answers that are no answers to this query.
fn foreign(query: &Message) -> Vec<Message> {
    let mut id = good(query);
    id.metadata.id = id.metadata.id.wrapping_add(1);
    let mut echo = good(query);
    echo.metadata.message_type = MessageType::Query;
    let mut name = good(query);
    name.queries[0].set_name(Name::from_ascii("other.example.").expect("a name"));
    let mut record = good(query);
    record.queries[0] = Query::query(query.queries[0].name().clone(), RecordType::AAAA);
    let mut none = good(query);
    none.queries.clear();
    vec![id, echo, name, record, none]
}

#[tokio::test]
async fn answers_to_other_queries_are_ignored() {
    run_out(&asks(None), server(foreign).await).await;
    let target = server(|query| {
        let mut answers = foreign(query);
        answers.push(good(query));
        answers
    })
    .await;
    assert!(run(&asks(Some("192.0.2.1")), target).await.passed);
}

#[tokio::test]
async fn a_truncated_answer_is_one() {
    let target = server(|query| {
        let mut answer = good(query);
        answer.answers.clear();
        answer.metadata.truncation = true;
        vec![answer]
    })
    .await;
    assert_eq!(run(&asks(None), target).await, passed("NOERROR"));
}

#[tokio::test]
async fn damage_fails() {
    let target = answer(|query| vec![query[..7].to_vec()]).await;
    assert_eq!(run(&asks(None), target).await, failed("the answer is malformed"));
}

#[tokio::test]
async fn silence_runs_out_and_a_closed_port_fails() {
    run_out(&asks(None), answer(|_| Vec::new()).await).await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
    let target = socket.local_addr().expect("its address");
    drop(socket);
    assert_eq!(run(&asks(None), target).await, failed("port unreachable"));
}

#[tokio::test]
async fn what_cannot_be_asked_is_named() {
    let target = answer(|_| Vec::new()).await;
    let name = Dns { name: "a..b".into(), record: "A".into(), expect: None };
    let finding = run(&Probe::Dns(name), target).await;
    assert_eq!(finding, failed("\"a..b\" is not a domain name"));
    let record = Dns { name: "a".into(), record: "B".into(), expect: None };
    let finding = run(&Probe::Dns(record), target).await;
    assert_eq!(finding, failed("\"B\" is not a record type"));
}

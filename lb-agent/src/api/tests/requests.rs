//! What is asked and answered.

use super::*;
use serde_json::json;

#[tokio::test]
async fn every_route_answers() {
    let server = Server::start(Limits::default()).await;
    let (status, body) = server.get("/v1/status").await;
    assert_eq!((status, &body["node"]), (200, &json!("lb1")));
    let (status, body) = server.get("/v1/services").await;
    assert_eq!((status, body.as_array().map(Vec::len)), (200, Some(2)));
    let (status, body) = server.get("/v1/services/a%20b").await;
    assert_eq!((status, &body["name"]), (200, &json!("a b")));
    let (status, body) = server.get("/v1/reasons").await;
    assert_eq!((status, body), (200, json!([])));
    let (status, body) = server.get("/v1/connections?service=a%26b&limit=3").await;
    let query = r#"ConnectionQuery { service: Some("a&b"), server: None, limit: Some(3) }"#;
    assert_eq!((status, error(&body)), (500, query));
    let (status, body) = server.ask("POST", "/v1/check?path=%2Fetc%2Flb.yaml", b"text").await;
    assert_eq!((status, &body[0]["file"]), (200, &json!("/etc/lb.yaml")));
    assert_eq!(body[0]["line"], 4);
    assert_eq!(server.ask("POST", "/v1/detach", b"").await, (204, Value::Null));
    let (status, body) = server.ask("POST", "/v1/detach", b"").await;
    assert_eq!((status, error(&body)), (409, "detached already"));
}

#[tokio::test]
async fn a_server_is_changed() {
    let server = Server::start(Limits::default()).await;
    let path = "/v1/services/web/servers/b%2Fc";
    for (change, weight) in
        [(json!({ "drain": true }), 0), (json!({ "weight": 3 }), 0), (json!({ "drain": false }), 3)]
    {
        let (status, body) = server.ask("PATCH", path, change.to_string().as_bytes()).await;
        assert_eq!((status, &body["name"], &body["weight"]), (200, &json!("b/c"), &json!(weight)));
    }
}

#[tokio::test]
async fn what_is_wrong_is_said() {
    let server = Server::start(Limits::default()).await;
    let web_a = "/v1/services/web/servers/a";
    let rows: &[(&str, &str, &str, u16, &str)] = &[
        ("GET", "/v1/services/wbe", "", 404, r#"unknown service "wbe": known: web, a b"#),
        ("PATCH", "/v1/services/web/servers/d", r#"{"weight":1}"#, 404, "known: a, b/c"),
        ("PATCH", "/v1/services/a%20b/servers/d", r#"{"weight":1}"#, 404, "there is none"),
        ("GET", "/v2/status", "", 404, "nothing at /v2/status"),
        ("GET", "/", "", 404, "nothing at /"),
        ("DELETE", "/v1/status", "", 405, "DELETE is not for /v1/status"),
        ("GET", "/v1/detach", "", 405, "GET is not for /v1/detach"),
        ("GET", "/v1/services/%ff", "", 400, "UTF-8"),
        ("PATCH", web_a, "", 400, "EOF"),
        ("PATCH", web_a, "{\"weight\":", 400, "EOF"),
        ("PATCH", web_a, r#"{"wieght":1}"#, 400, "expected `weight` or `drain`"),
        ("PATCH", web_a, r#"{"weight":-1}"#, 400, "expected u32"),
        ("PATCH", web_a, r#"{"drain":"yes"}"#, 400, "expected a boolean"),
        ("PATCH", web_a, r#"{"weight":1001}"#, 422, "a weight is 0 to 1000"),
        ("PATCH", web_a, "{}", 422, "give `weight` or `drain`"),
        ("GET", "/v1/connections?limit=many", "", 400, "limit"),
        ("GET", "/v1/connections?sevrice=web", "", 400, "`service`"),
        ("POST", "/v1/check", "text", 400, "path"),
    ];
    for (method, path, body, expected, words) in rows {
        let (status, body) = server.ask(method, path, body.as_bytes()).await;
        assert_eq!(status, *expected, "{method} {path}: {body}");
        assert!(error(&body).contains(words), "{method} {path}: {body}");
    }
}

#[tokio::test]
async fn bodies_are_bounded() {
    let server = Server::start(Limits::default()).await;
    let (status, body) = server.ask("POST", "/v1/check?path=x", &vec![b'x'; api::MAX_CHECK]).await;
    assert_eq!((status, &body[0]["line"]), (200, &json!(api::MAX_CHECK)));
    let too_large = vec![b' '; api::MAX_CHECK + 1];
    let (status, body) = server.ask("POST", "/v1/check?path=x", &too_large).await;
    assert_eq!(status, 413, "{body}");
    assert!(error(&body).contains("16777216 bytes at most"), "{body}");
    let change = "/v1/services/web/servers/a";
    let (status, _) = server.ask("PATCH", change, &too_large[..(64 << 10) + 1]).await;
    assert_eq!(status, 413);
    let (status, _) = server.ask("PATCH", change, &too_large[..64 << 10]).await;
    assert_eq!(status, 400);
}

#[test]
fn many_known_names_are_cut() {
    let names: Vec<_> = (0..30).map(|n| format!("s{n}")).collect();
    let refusal = Refusal::unknown("service", "x\u{1b}[2J", names.iter().map(String::as_str));
    let message = refusal.to_string();
    assert!(message.starts_with(r#"unknown service "x\u{1b}[2J": known: s0, s1,"#), "{message}");
    assert!(message.ends_with("s19 and 10 more"), "{message}");
}

//! What changes something: services, servers, hosts, and all of it at once.

use super::Refusal;
use super::routes::{Answer, Api};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use lb_common::api::{Difference, Problem, ResetQuery, Server, ServerChange, Service};
use std::net::IpAddr;
use tokio::sync::oneshot;

/// What follows the path where there is nothing to say.
type Done = Result<StatusCode, Refusal>;

/// Names of a service and of a server of it.
type ServerPath = Result<Path<(String, String)>, PathRejection>;

pub(super) async fn add_service(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Service> {
    let definition = body?;
    api.core.ask(move |core| core.add_service(&definition)).await.map(Json)
}

pub(super) async fn remove_service(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
) -> Done {
    let Path(service) = path?;
    api.core.ask(move |core| core.remove_service(&service)).await.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn add_server(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Server> {
    let (Path(service), definition) = (path?, body?);
    api.core.ask(move |core| core.add_server(&service, &definition)).await.map(Json)
}

pub(super) async fn change_server(
    State(api): State<Api>,
    path: ServerPath,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Server> {
    let Path((service, server)) = path?;
    let change = change(&body?)?;
    api.core.ask(move |core| core.change_server(&service, &server, change)).await.map(Json)
}

pub(super) async fn remove_server(State(api): State<Api>, path: ServerPath) -> Done {
    let Path((service, server)) = path?;
    let removed = api.core.ask(move |core| core.remove_server(&service, &server)).await;
    removed.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn change_host(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    body: Result<Bytes, BytesRejection>,
) -> Answer<Vec<Server>> {
    let Path(host) = path?;
    let address: IpAddr = host.parse().map_err(|_| {
        Refusal::Malformed(format!(
            "{host:?} is no address; expected one like 192.0.2.11 or 2001:db8::11, without a port"
        ))
    })?;
    let change = change(&body?)?;
    api.core.ask(move |core| core.change_host(address, change)).await.map(Json)
}

pub(super) async fn reload(State(api): State<Api>) -> Answer<Vec<Problem>> {
    let (reply, answer) = oneshot::channel();
    let begin = move |core: &mut dyn super::Control| {
        core.reload(reply);
        Ok(())
    };
    api.core.ask(begin).await?;
    answer.await.unwrap_or(Err(Refusal::Stopping)).map(Json)
}

pub(super) async fn reset(
    State(api): State<Api>,
    query: Result<Query<ResetQuery>, QueryRejection>,
) -> Answer<Vec<Difference>> {
    let Query(query) = query?;
    if query.server.is_some() && query.service.is_none() {
        return Err(Refusal::nameless_server());
    }
    api.core.ask(move |core| core.reset(&query)).await.map(Json)
}

pub(super) async fn detach(State(api): State<Api>) -> Done {
    api.core.ask(|core| core.detach()).await.map(|()| StatusCode::NO_CONTENT)
}

fn change(body: &[u8]) -> Result<ServerChange, Refusal> {
    serde_json::from_slice(body)
        .map_err(|error| Refusal::Malformed(format!("not a change of a server: {error}")))
}

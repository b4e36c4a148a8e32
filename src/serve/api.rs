//! The API over HTTP. So far it has `/health`.
//!
//! On a loopback address everybody of this machine may read; a page of another site that a browser of this machine shows may not,
//! which is what the check of `Host` is for (DNS rebinding). On any other address reading takes the token.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::bounded::Bounded;
use super::health::Health;
use super::token;

/// Who may ask.
#[derive(Clone, Debug)]
struct Door {
    address: SocketAddr,
    token: String,
}

/// Answers until it is dropped.
pub(super) async fn serve(
    listener: TcpListener,
    address: SocketAddr,
    token: String,
    health: Health,
) {
    let door = Door { address, token };
    let app = Router::new()
        .route("/health", get(tell_health))
        .fallback(nothing_here)
        .layer(from_fn_with_state(door, guard))
        .with_state(health);
    // It ends only with the process.
    let _ = axum::serve(Bounded::new(listener), app).await;
}

async fn tell_health(State(health): State<Health>) -> Response {
    let (well, told) = health.told();
    let status = if well {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    answer(status, &told)
}

async fn nothing_here() -> Response {
    refuse(
        StatusCode::NOT_FOUND,
        "there is nothing here; /health says how flow stands",
    )
}

async fn guard(State(door): State<Door>, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if !door.address.ip().is_loopback() && !door.is_known(headers) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "send `Authorization: Bearer TOKEN`; the token is in .flow/token of the project",
        );
    }
    if door.address.ip().is_loopback() && !is_of_this_machine(headers) {
        return refuse(
            StatusCode::FORBIDDEN,
            "this host is not the machine that flow runs on",
        );
    }
    next.run(request).await
}

impl Door {
    fn is_known(&self, headers: &HeaderMap) -> bool {
        let sent = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let sent = sent.and_then(|value| value.strip_prefix("Bearer "));
        sent.is_some_and(|sent| token::is_same(sent.trim(), &self.token))
    }
}

/// Whether the host that was asked for is an address or a name of the loopback.
fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(HOST).and_then(|host| host.to_str().ok()) else {
        return true;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn refuse(status: StatusCode, what: &str) -> Response {
    answer(status, &json!({"error": what}))
}

fn answer(status: StatusCode, body: &Value) -> Response {
    let json = HeaderValue::from_static("application/json");
    (status, [(CONTENT_TYPE, json)], format!("{body}\n")).into_response()
}

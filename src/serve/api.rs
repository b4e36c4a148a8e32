//! The API over HTTP. So far it has `/health`.
//!
//! On a loopback address everybody of this machine may read; a page of another site that a browser of this machine shows may not,
//! which is what the checks of `Host` (DNS rebinding) and `Origin` are for. On any other address reading takes the token.

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Version};
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
    if !has_one_host(&request) {
        return refuse(
            StatusCode::BAD_REQUEST,
            "send `Host` once, as HTTP/1.1 demands (RFC 9112, section 3.2)",
        );
    }
    if !door.address.ip().is_loopback() && !door.is_known(headers) {
        return refuse(
            StatusCode::UNAUTHORIZED,
            "send `Authorization: Bearer TOKEN`; the token is in .flow/token of the project",
        );
    }
    if !is_from_here(headers) {
        return refuse(
            StatusCode::FORBIDDEN,
            "pages of other sites may not ask this server",
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

/// Whether it is said once which host is asked; only HTTP/1.0 knows no hosts. A target with a host in it must name the same.
fn has_one_host(request: &Request) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() < Version::HTTP_11,
        (Some(_), Some(_)) => false,
        (Some(host), None) => {
            let target = request.uri().authority();
            target.is_none_or(|target| target.as_str().as_bytes() == host.as_bytes())
        }
    }
}

/// Whether no page asks, or one of this very server: its origin is the host that is asked (RFC 6454).
fn is_from_here(headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_own = |origin: &HeaderValue| {
        let origin = origin.to_str().ok();
        let origin = origin.and_then(|origin| {
            origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
        });
        origin.is_some() && origin == host
    };
    headers.get_all(ORIGIN).iter().all(is_own)
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

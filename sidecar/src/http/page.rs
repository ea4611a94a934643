//! `/`: the page. It fetches `/cluster` and draws it; nothing comes from elsewhere.

use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::response::{Html, IntoResponse};

const PAGE: &str = include_str!("page.html");

pub async fn page() -> impl IntoResponse {
    (
        [
            (
                CONTENT_SECURITY_POLICY,
                "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'",
            ),
            (CACHE_CONTROL, "no-store"),
        ],
        Html(PAGE),
    )
}

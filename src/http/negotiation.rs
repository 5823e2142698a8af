//! Media types: which one an answer has, and whether a body's is ours.

use axum::http::{HeaderMap, HeaderValue, header};

/// The media type of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/graphql-response+json`: the status code says whether the request was executed.
    GraphqlResponse,
    /// `application/json`, for older clients: the status code says only whether it was understood.
    Json,
}

impl Media {
    /// The value of `content-type`.
    pub const fn content_type(self) -> HeaderValue {
        match self {
            Self::GraphqlResponse => HeaderValue::from_static("application/graphql-response+json; charset=utf-8"),
            Self::Json => HeaderValue::from_static("application/json; charset=utf-8"),
        }
    }

    const fn essence(self) -> (&'static str, &'static str) {
        match self {
            Self::GraphqlResponse => ("application", "graphql-response+json"),
            Self::Json => ("application", "json"),
        }
    }

    /// The one that the client likes best; `None` when it takes neither.
    ///
    /// Of two that it likes equally the newer wins, if the client has named it; a client that takes anything is an
    /// older one.
    pub fn accepted(headers: &HeaderMap) -> Option<Self> {
        if !headers.contains_key(header::ACCEPT) {
            return Some(Self::Json);
        }
        let ranges: Vec<_> = headers
            .get_all(header::ACCEPT)
            .into_iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .filter_map(Range::parse)
            .collect();
        let quality = |media: Self| {
            ranges
                .iter()
                .filter_map(|range| range.fits(media))
                .max()
                .map_or(0, |(_, quality)| quality)
        };
        let named = ranges
            .iter()
            .any(|range| (range.kind, range.subtype) == Self::GraphqlResponse.essence());
        let (newer, older) = (quality(Self::GraphqlResponse), quality(Self::Json));
        match (newer, older) {
            (0, 0) => None,
            _ if newer > older || (newer == older && named) => Some(Self::GraphqlResponse),
            _ => Some(Self::Json),
        }
    }
}

/// One range of an `Accept` header.
#[derive(Debug, Clone, Copy)]
struct Range<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// From 0, never, to 1000.
    quality: u16,
}

impl<'a> Range<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = parts.next()?.split_once('/')?;
        let mut quality = 1000;
        for parameter in parts {
            match parameter.split_once('=') {
                Some((name, value)) if name.trim().eq_ignore_ascii_case("q") => quality = parse_quality(value.trim())?,
                // We write UTF-8 and nothing else.
                Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") && !is_utf8(value) => return None,
                _ => {}
            }
        }
        Some(Self { kind, subtype, quality })
    }

    /// How exactly it names the media type, and how much the client likes it.
    fn fits(self, media: Media) -> Option<(u8, u16)> {
        let (kind, subtype) = media.essence();
        let is = |given: &str, ours: &str| given.eq_ignore_ascii_case(ours);
        match (self.kind, self.subtype) {
            ("*", "*") => Some((0, self.quality)),
            (given, "*") if is(given, kind) => Some((1, self.quality)),
            (given, given_subtype) if is(given, kind) && is(given_subtype, subtype) => Some((2, self.quality)),
            _ => None,
        }
    }
}

fn parse_quality(text: &str) -> Option<u16> {
    let quality: f32 = text.parse().ok()?;
    // Between 0 and 1000, so nothing is lost.
    (0.0..=1.0)
        .contains(&quality)
        .then(|| (quality * 1000.0).round() as u16)
}

/// Whether a body is `application/json` in UTF-8. Nothing else is taken: a form of another site can send the others.
pub fn is_json_body(headers: &HeaderMap) -> bool {
    let Some(Ok(value)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    let mut parts = value.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.all(|parameter| match parameter.split_once('=') {
            Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => is_utf8(charset),
            _ => true,
        })
}

fn is_utf8(charset: &str) -> bool {
    let charset = charset.trim().trim_matches('"');
    charset.eq_ignore_ascii_case("utf-8") || charset.eq_ignore_ascii_case("utf8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(accept: &[&str]) -> Option<Media> {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        Media::accepted(&headers)
    }

    #[test]
    fn the_client_chooses() {
        use Media::{GraphqlResponse, Json};
        for (accept, expected) in [
            ("application/graphql-response+json", Some(GraphqlResponse)),
            (
                "application/graphql-response+json; charset=utf-8",
                Some(GraphqlResponse),
            ),
            ("application/json", Some(Json)),
            ("Application/JSON", Some(Json)),
            ("*/*", Some(Json)),
            ("application/*", Some(Json)),
            (
                "application/json, application/graphql-response+json",
                Some(GraphqlResponse),
            ),
            ("application/json, application/graphql-response+json;q=0.9", Some(Json)),
            (
                "application/graphql-response+json, application/json;q=0.9",
                Some(GraphqlResponse),
            ),
            ("application/graphql-response+json;q=0, */*", Some(Json)),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Some(Json)),
            ("text/html", None),
            ("application/json;q=0", None),
            ("application/json; charset=latin1", None),
            ("nonsense", None),
            ("application/json;q=7", None),
        ] {
            assert_eq!(accepted(&[accept]), expected, "{accept}");
        }
        assert_eq!(accepted(&["text/html", "application/json"]), Some(Json));
        assert_eq!(accepted(&[]), Some(Json));
    }

    #[test]
    fn a_body_is_json_in_utf_8() {
        for (content_type, expected) in [
            ("application/json", true),
            ("application/json; charset=utf-8", true),
            ("APPLICATION/JSON;charset=\"UTF-8\"", true),
            ("application/json; charset=utf-16", false),
            ("text/plain", false),
            ("application/x-www-form-urlencoded", false),
            ("application/jsonp", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            assert_eq!(is_json_body(&headers), expected, "{content_type}");
        }
        assert!(!is_json_body(&HeaderMap::new()));
    }
}

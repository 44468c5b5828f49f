//! Rules as text: `ENDPOINT [CALLS]: ACTION`.
//!
//! | part | written |
//! |---|---|
//! | endpoint | `*`, `POST /v1/products/{id}`, or one object's `POST /v1/products/prod_1` |
//! | calls | nothing: all; `#3`: the third; `every 10`; `first 2`; `from 5`: the fifth and all after it |
//! | action | a status with options, or one of [`ACTIONS`] |
//!
//! Options of a status: `after` (the effect happens all the same), `saved` (kept
//! under the idempotency key), `type=`, `code=`, `param=`, `message="…"`,
//! `body="…"`, `retry=true|false` (`Stripe-Should-Retry`), `reason=`
//! (`Stripe-Rate-Limited-Reason`), `header:NAME=VALUE`.

use std::fmt;
use std::str::FromStr;

use http::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value};

use super::super::span;
use super::super::target::Target;
use super::{Action, Answer, Calls, Fault, Garbage};

const ACTIONS: &str = "a status from 200 to 599, lost-request, lost-reply, cut, html, truncated, nonsense, empty, \
    slow DUR, delay DUR and delay-reply DUR";
const OPTIONS: &str =
    "after, saved, type=, code=, param=, message=, body=, retry=, reason= and header:NAME=";
const TYPES: [&str; 4] = [
    "api_error",
    "card_error",
    "idempotency_error",
    "invalid_request_error",
];
const REASONS: [&str; 5] = [
    "global-rate",
    "endpoint-rate",
    "global-concurrency",
    "endpoint-concurrency",
    "resource-specific",
];
const SHOULD_RETRY: HeaderName = HeaderName::from_static("stripe-should-retry");
const REASON: HeaderName = HeaderName::from_static("stripe-rate-limited-reason");

impl FromStr for Fault {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (whose, action) = text.split_once(':').ok_or_else(|| {
            format!("{text:?} is not ENDPOINT [CALLS]: ACTION, as in \"POST /v1/prices #3: 500\"")
        })?;
        let words: Vec<&str> = whose.split_whitespace().collect();
        let at = if words.first() == Some(&"*") { 1 } else { 2 };
        let (target, calls) = words.split_at(at.min(words.len()));
        Ok(Self {
            target: Target::parse(&target.join(" "))?,
            calls: calls_of(calls)?,
            action: action_of(action)?,
        })
    }
}

fn calls_of(words: &[&str]) -> Result<Calls, String> {
    let expected = || {
        format!(
            "{:?} names no calls; known are #3 (the third), every 10, first 2 and from 5, or nothing for all",
            words.join(" ")
        )
    };
    let number = |text: &str| {
        let number = text.parse::<u64>().ok().filter(|number| *number > 0);
        number.ok_or_else(expected)
    };
    match words {
        [] => Ok(Calls::Always),
        [nth] => number(nth.strip_prefix('#').ok_or_else(expected)?).map(Calls::Nth),
        ["every", count] => number(count).map(Calls::Every),
        ["first", count] => number(count).map(Calls::First),
        ["from", first] => number(first).map(Calls::From),
        _ => Err(expected()),
    }
}

fn action_of(text: &str) -> Result<Action, String> {
    let words = words(text)?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let Some((first, rest)) = words.split_first() else {
        return Err(format!("no action; known are {ACTIONS}"));
    };
    let plain = |action| match rest {
        [] => Ok(action),
        [word, ..] => Err(format!("{word:?} after {first}, which takes nothing")),
    };
    let timed = |action: fn(std::time::Duration) -> Action| match rest {
        [span] => span::parse(span).map(action),
        _ => Err(format!("{first} takes one span of time, as in {first} 2s")),
    };
    match *first {
        "lost-request" => plain(Action::LostRequest),
        "lost-reply" => plain(Action::LostReply),
        "cut" => plain(Action::Cut),
        "html" => plain(Action::Garbage(Garbage::Html)),
        "truncated" => plain(Action::Garbage(Garbage::Truncated)),
        "nonsense" => plain(Action::Garbage(Garbage::Nonsense)),
        "empty" => plain(Action::Garbage(Garbage::Empty)),
        "slow" => timed(Action::Slow),
        "delay" => timed(Action::Delay),
        "delay-reply" => timed(Action::DelayReply),
        status => {
            let status = status.parse().ok().filter(|s| (200..600).contains(s));
            let status = status
                .ok_or_else(|| format!("no action is named {first:?}; known are {ACTIONS}"))?;
            let mut answer = Box::new(Answer::new(status));
            for option in rest {
                answer.set(option)?;
            }
            Ok(Action::Answer(answer))
        }
    }
}

impl Answer {
    fn set(&mut self, option: &str) -> Result<(), String> {
        let unknown = || format!("no option is named {option:?}; known are {OPTIONS}");
        match option {
            "after" => self.after = true,
            "saved" => self.saved = true,
            _ => {
                let (name, value) = option.split_once('=').ok_or_else(unknown)?;
                self.set_value(name, value).ok_or_else(unknown)??;
            }
        }
        Ok(())
    }

    /// `None` if there is no such option.
    fn set_value(&mut self, name: &str, value: &str) -> Option<Result<(), String>> {
        let one_of = |known: &[&str]| {
            if known.contains(&value) {
                Ok(())
            } else {
                Err(format!(
                    "{name} is one of {}, not {value:?}",
                    known.join(", ")
                ))
            }
        };
        let done = match name {
            "type" => {
                self.kind = Some(value.to_owned());
                one_of(&TYPES)
            }
            "code" => {
                self.code = Some(value.to_owned());
                Ok(())
            }
            "param" => {
                self.param = Some(value.to_owned());
                Ok(())
            }
            "message" => {
                self.message = Some(value.to_owned());
                Ok(())
            }
            "body" => {
                self.body = Some(value.to_owned());
                Ok(())
            }
            "retry" => one_of(&["true", "false"]).and_then(|()| self.header(SHOULD_RETRY, value)),
            "reason" => one_of(&REASONS).and_then(|()| self.header(REASON, value)),
            _ => match name.strip_prefix("header:")?.parse::<HeaderName>() {
                Ok(name) => self.header(name, value),
                Err(_) => Err(format!("{name:?} names no header")),
            },
        };
        Some(done)
    }

    fn header(&mut self, name: HeaderName, value: &str) -> Result<(), String> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| format!("{value:?} cannot be the value of the header {name}"))?;
        self.headers.push((name, value));
        Ok(())
    }
}

/// Words apart by spaces; `"…"` keeps spaces within one, `\` takes the next
/// character as it is.
fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let (mut word, mut quoted) = (None::<String>, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            '\\' if quoted => {
                let next = chars.next().ok_or_else(|| format!("{text:?} ends in \\"))?;
                word.get_or_insert_default().push(next);
            }
            c if c.is_whitespace() && !quoted => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    if quoted {
        return Err(format!("a quote in {text:?} does not end"));
    }
    words.extend(word);
    Ok(words)
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}: {}", self.target, self.calls, self.action)
    }
}

impl fmt::Display for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Always => Ok(()),
            Self::Nth(nth) => write!(f, " #{nth}"),
            Self::Every(nth) => write!(f, " every {nth}"),
            Self::First(count) => write!(f, " first {count}"),
            Self::From(first) => write!(f, " from {first}"),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answer(answer) => write!(f, "{answer}"),
            Self::LostRequest => f.write_str("lost-request"),
            Self::LostReply => f.write_str("lost-reply"),
            Self::Cut => f.write_str("cut"),
            Self::Garbage(Garbage::Html) => f.write_str("html"),
            Self::Garbage(Garbage::Truncated) => f.write_str("truncated"),
            Self::Garbage(Garbage::Nonsense) => f.write_str("nonsense"),
            Self::Garbage(Garbage::Empty) => f.write_str("empty"),
            Self::Slow(span) => write!(f, "slow {}", span::format(*span)),
            Self::Delay(span) => write!(f, "delay {}", span::format(*span)),
            Self::DelayReply(span) => write!(f, "delay-reply {}", span::format(*span)),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.status)?;
        for (flag, set) in [(" after", self.after), (" saved", self.saved)] {
            f.write_str(if set { flag } else { "" })?;
        }
        for (name, value) in [
            ("type", &self.kind),
            ("code", &self.code),
            ("param", &self.param),
            ("message", &self.message),
            ("body", &self.body),
        ] {
            if let Some(value) = value {
                let plain = !value.is_empty()
                    && value
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"_-[]".contains(&b));
                let value = if plain { value.clone() } else { quoted(value) };
                write!(f, " {name}={value}")?;
            }
        }
        for (name, value) in &self.headers {
            let value = String::from_utf8_lossy(value.as_bytes());
            if *name == SHOULD_RETRY {
                write!(f, " retry={value}")?;
            } else if *name == REASON {
                write!(f, " reason={value}")?;
            } else {
                write!(f, " header:{name}={}", quoted(&value))?;
            }
        }
        Ok(())
    }
}

/// A rule as JSON: its text, or
/// `{"endpoint":"POST /v1/prices","calls":"#3","do":"500","message":"…","headers":{…}}`
/// with the options of a status as keys; a `body` that is no text is sent as JSON.
pub(in super::super) fn from_json(value: &Value) -> Result<Fault, String> {
    const KNOWN: &str = "endpoint, calls, do, after, saved, type, code, param, message, body, retry, reason and headers";
    let map = match value {
        Value::String(text) => return text.parse(),
        Value::Object(map) => map,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            return Err(format!("a fault is its text or an object, not {value}"));
        }
    };
    let text = |name: &str| match map.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(other) => Err(format!("{name} is a text, not {other}")),
    };
    let needed = |name: &str| {
        text(name)?.ok_or_else(|| format!("{name} is missing; known keys are {KNOWN}"))
    };
    let calls: Vec<&str> = text("calls")?
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    let mut fault = Fault {
        target: Target::parse(needed("endpoint")?)?,
        calls: calls_of(&calls)?,
        action: action_of(needed("do")?)?,
    };
    for (name, value) in map {
        match (name.as_str(), &mut fault.action) {
            ("endpoint" | "calls" | "do", _) => {}
            (_, Action::Answer(answer)) => answer
                .set_json(name, value)
                .map_err(|error| format!("{error} (known keys are {KNOWN})"))?,
            (
                _,
                Action::LostRequest
                | Action::LostReply
                | Action::Cut
                | Action::Garbage(_)
                | Action::Slow(_)
                | Action::Delay(_)
                | Action::DelayReply(_),
            ) => {
                return Err(format!(
                    "{name} goes with a status only; known keys are {KNOWN}"
                ));
            }
        }
    }
    Ok(fault)
}

impl Answer {
    fn set_json(&mut self, name: &str, value: &Value) -> Result<(), String> {
        let plain = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        match (name, value) {
            ("after", Value::Bool(after)) => self.after = *after,
            ("saved", Value::Bool(saved)) => self.saved = *saved,
            ("body", _) => self.body = Some(plain),
            ("retry", Value::Bool(_)) | (_, Value::String(_)) if !name.starts_with("header") => {
                let unknown = || format!("{name:?} is no key of a fault");
                self.set_value(name, &plain).ok_or_else(unknown)??;
            }
            ("headers", Value::Object(headers)) => self.set_headers(headers)?,
            _ => return Err(format!("{name:?} cannot be {value}")),
        }
        Ok(())
    }

    fn set_headers(&mut self, headers: &Map<String, Value>) -> Result<(), String> {
        for (name, value) in headers {
            let value = value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned);
            let unknown = || format!("{name:?} names no header");
            self.set_value(&format!("header:{name}"), &value)
                .ok_or_else(unknown)??;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_read_is_written() {
        for text in [
            "*: lost-request",
            "* every 10: lost-reply",
            "* from 5: 503",
            "POST /v1/prices #3: 500",
            "POST /v1/products/{id} first 2: 503 after saved code=x_y message=\"a \\\"b\\\": c\" retry=false",
            "GET /v1/prices/price_1: 429 reason=global-rate header:retry-after=\"2\"",
            "GET /v1/account: 200 body=[]",
            "GET /v1/account: 200 body=\"\"",
            "*: cut",
            "*: html",
            "*: truncated",
            "*: nonsense",
            "*: empty",
            "*: slow 2s",
            "*: delay 100ms",
            "*: delay-reply 1m",
        ] {
            let fault: Fault = text.parse().unwrap();
            assert_eq!(fault.to_string(), text);
        }
    }

    #[test]
    fn mistakes_are_named_with_what_is_known() {
        for (text, says) in [
            ("POST /v1/prices 500", "ENDPOINT [CALLS]: ACTION"),
            ("POST /v1/customers: 500", "known are *, "),
            ("POST: 500", "known are *, "),
            ("* third: 500", "first 2"),
            ("* #0: 500", "first 2"),
            ("* every: 500", "first 2"),
            ("*:", "no action; known are a status"),
            ("*: 600", "lost-reply"),
            ("*: explode", "no action is named \"explode\""),
            ("*: slow", "slow 2s"),
            ("*: slow soon", "span of time"),
            ("*: cut 2s", "takes nothing"),
            ("*: 500 later", "known are after, saved"),
            ("*: 500 type=big", "api_error"),
            ("*: 429 reason=why", "endpoint-rate"),
            ("*: 500 retry=no", "true, false"),
            ("*: 500 header:a b=c", "known are after"),
            ("*: 500 message=\"x", "does not end"),
        ] {
            let error = text.parse::<Fault>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn json_says_the_same() {
        let fault = from_json(&json!({
            "endpoint": "POST /v1/prices", "calls": "#3", "do": "500", "after": true, "saved": true,
            "code": "x", "message": "m", "body": {"a": 1}, "retry": false, "headers": {"X-A": "b"},
        }));
        let expected = "POST /v1/prices #3: 500 after saved code=x message=m body=\"{\\\"a\\\":1}\" retry=false header:x-a=b";
        assert_eq!(fault, expected.parse());
        assert_eq!(from_json(&json!("*: cut")), "*: cut".parse());
        for (value, says) in [
            (json!(1), "its text or an object"),
            (json!({"do": "500"}), "endpoint is missing"),
            (
                json!({"endpoint": "*", "do": "500", "when": "now"}),
                "\"when\" is no key",
            ),
            (
                json!({"endpoint": "*", "do": "500", "after": "yes"}),
                "known keys",
            ),
            (
                json!({"endpoint": "*", "do": "cut", "code": "x"}),
                "status only",
            ),
            (json!({"endpoint": "*", "do": 500}), "do is a text"),
        ] {
            let error = from_json(&value).unwrap_err();
            assert!(error.contains(says), "{value}: {error}");
        }
    }
}

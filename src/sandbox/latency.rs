//! How long requests take: a fixed time, a range, or a spread like a real network's.

use std::fmt;
use std::str::FromStr;
use std::sync::Mutex;
use std::time::Duration;

use http::Method;

use super::target::Target;
use super::{lock, span};

/// Of the standard normal distribution: which share lies below how many sigmas.
const QUANTILES: [(&str, f64); 5] = [
    ("p75", 0.674_490),
    ("p90", 1.281_552),
    ("p95", 1.644_854),
    ("p99", 2.326_348),
    ("p999", 3.090_232),
];
/// No request of a spread takes longer than so many times its upper quantile.
const LONGEST: f64 = 10.0;

/// How long one request takes.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Spread {
    /// `100ms`
    Fixed(Duration),
    /// `50ms..200ms`: each as likely.
    Uniform(Duration, Duration),
    /// `p50=80ms,p99=900ms`: log-normal.
    Quantiles {
        median: Duration,
        /// An index of [`QUANTILES`].
        upper: usize,
        at: Duration,
    },
}

impl Spread {
    fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some((low, high)) = text.split_once("..") {
            let (low, high) = (span::parse(low.trim())?, span::parse(high.trim())?);
            if low > high {
                return Err(format!("{text:?} ends before it begins"));
            }
            return Ok(Self::Uniform(low, high));
        }
        let Some((first, second)) = text.split_once(',') else {
            if text.contains('=') {
                return Err(format!(
                    "{text:?} names one quantile of two, as in p50=80ms,p99=900ms"
                ));
            }
            let known = "; a spread is 50ms..200ms or p50=80ms,p99=900ms";
            return match span::parse(text) {
                Ok(span) => Ok(Self::Fixed(span)),
                Err(error) => Err(error + known),
            };
        };
        let quantile = |part: &str| {
            let (name, value) = part.trim().split_once('=').ok_or_else(|| {
                format!("{part:?} is no quantile; write two of them, as in p50=80ms,p99=900ms")
            })?;
            Ok::<_, String>((name.to_owned(), span::parse(value)?))
        };
        let ((lower, median), (name, at)) = (quantile(first)?, quantile(second)?);
        let upper = QUANTILES.iter().position(|(known, _)| *known == name);
        let Some(upper) = upper.filter(|_| lower == "p50") else {
            return Err(format!(
                "{text:?}: the first quantile is p50, the second one of p75, p90, p95, p99 and p999"
            ));
        };
        if median.is_zero() || at < median {
            return Err(format!(
                "{text:?}: p50 is more than 0 and not more than {name}"
            ));
        }
        Ok(Self::Quantiles { median, upper, at })
    }

    fn sample(self, random: &mut fastrand::Rng) -> Duration {
        match self {
            Self::Fixed(span) => span,
            Self::Uniform(low, high) => low + (high - low).mul_f64(random.f64()),
            Self::Quantiles { median, at, .. } => {
                // Box and Muller's way to a normal number; 1 - x is never 0.
                let (a, b) = (1.0 - random.f64(), random.f64());
                let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
                let factor = (self.sigma() * normal).exp();
                median.mul_f64(factor).min(at.mul_f64(LONGEST))
            }
        }
    }

    fn sigma(self) -> f64 {
        match self {
            Self::Fixed(_) | Self::Uniform(..) => 0.0,
            Self::Quantiles { median, upper, at } => {
                let deviations = QUANTILES
                    .get(upper)
                    .map_or(1.0, |(_, deviations)| *deviations);
                (at.as_secs_f64() / median.as_secs_f64()).ln() / deviations
            }
        }
    }

    fn longest(self) -> Duration {
        match self {
            Self::Fixed(span) | Self::Uniform(_, span) => span,
            Self::Quantiles { at, .. } => at.mul_f64(LONGEST),
        }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(span) => f.write_str(&span::format(*span)),
            Self::Uniform(low, high) => {
                write!(f, "{}..{}", span::format(*low), span::format(*high))
            }
            Self::Quantiles { median, upper, at } => {
                let name = QUANTILES.get(*upper).map_or("p99", |(name, _)| name);
                write!(
                    f,
                    "p50={},{name}={}",
                    span::format(*median),
                    span::format(*at)
                )
            }
        }
    }
}

/// How long requests take, half before their effect and half after.
///
/// Written as `100ms`, `50ms..200ms` (each as likely) or `p50=80ms,p99=900ms`
/// (log-normal; the second may be p75, p90, p95, p99 or p999). Several, separated
/// by `;`, may be for one endpoint each: `20ms; POST /v1/prices: 50ms..200ms`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Latency {
    everywhere: Option<Spread>,
    own: Vec<(Target, Spread)>,
}

impl Latency {
    /// `other`'s settings on top of these.
    pub fn extend(&mut self, other: Self) {
        self.everywhere = other.everywhere.or(self.everywhere);
        for (target, spread) in other.own {
            self.own.retain(|(known, _)| *known != target);
            self.own.push((target, spread));
        }
    }

    fn longest(&self) -> Duration {
        let own = self.own.iter().map(|(_, spread)| spread);
        let all = self.everywhere.iter().chain(own);
        all.map(|spread| spread.longest()).max().unwrap_or_default()
    }
}

impl From<Duration> for Latency {
    fn from(span: Duration) -> Self {
        Self {
            everywhere: Some(Spread::Fixed(span)),
            own: Vec::new(),
        }
    }
}

impl FromStr for Latency {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut latency = Self::default();
        for part in text.split(';') {
            let part = match part.rsplit_once(':') {
                None => Self {
                    everywhere: Some(Spread::parse(part)?),
                    own: Vec::new(),
                },
                Some((target, spread)) => match Target::parse(target)? {
                    Target::Any => Self {
                        everywhere: Some(Spread::parse(spread)?),
                        own: Vec::new(),
                    },
                    target @ (Target::Endpoint(_) | Target::Url(..)) => Self {
                        everywhere: None,
                        own: vec![(target, Spread::parse(spread)?)],
                    },
                },
            };
            latency.extend(part);
        }
        Ok(latency)
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.everywhere {
            Some(spread) => write!(f, "{spread}")?,
            None => f.write_str("0")?,
        }
        for (target, spread) in &self.own {
            write!(f, "; {target}: {spread}")?;
        }
        Ok(())
    }
}

/// Where each request's time comes from; the nth request's is the same for the
/// same seed.
#[derive(Debug)]
pub(super) struct Waits(Mutex<(Latency, fastrand::Rng)>);

impl Waits {
    pub(super) fn new(latency: Latency, seed: Option<u64>) -> Self {
        let random = seed.map_or_else(fastrand::Rng::new, fastrand::Rng::with_seed);
        Self(Mutex::new((latency, random)))
    }

    pub(super) fn set(&self, latency: Latency, seed: Option<u64>) {
        let mut own = lock(&self.0);
        own.0 = latency;
        if let Some(seed) = seed {
            own.1.seed(seed);
        }
    }

    pub(super) fn get(&self) -> Latency {
        lock(&self.0).0.clone()
    }

    pub(super) fn longest(&self) -> Duration {
        lock(&self.0).0.longest()
    }

    /// For the next request.
    pub(super) fn next(
        &self,
        endpoint: Option<&'static str>,
        method: &Method,
        path: &str,
    ) -> Duration {
        let mut own = lock(&self.0);
        let (latency, random) = &mut *own;
        let special = endpoint.and_then(|endpoint| {
            let mut own = latency.own.iter();
            own.find(|(target, _)| target.is_for(endpoint, method, path))
        });
        match special.map(|(_, spread)| *spread).or(latency.everywhere) {
            Some(spread) => spread.sample(random),
            None => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(text: &str) -> Vec<Duration> {
        let waits = Waits::new(text.parse().unwrap(), Some(7));
        (0..10_000)
            .map(|_| waits.next(None, &Method::GET, "/"))
            .collect()
    }

    #[test]
    fn what_is_read_is_written() {
        for text in [
            "0",
            "100ms",
            "50ms..200ms",
            "p50=80ms,p99=900ms",
            "20ms; POST /v1/prices: p50=1s,p90=2s; GET /v1/products/prod_1: 3s",
        ] {
            assert_eq!(text.parse::<Latency>().unwrap().to_string(), text);
        }
        for (text, says) in [
            ("soon", "100ms"),
            ("200ms..50ms", "ends before"),
            ("p50=80ms", "one quantile"),
            ("p50=80ms,p98=1s", "p999"),
            ("p50=80ms,p99=10ms", "not more than p99"),
            ("POST /v1/customers: 1s", "known are"),
        ] {
            let error = text.parse::<Latency>().unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn spreads_are_as_their_quantiles_say_and_repeat_with_their_seed() {
        let mut spread = waits("p50=80ms,p99=900ms");
        assert_eq!(spread, waits("p50=80ms,p99=900ms"));
        spread.sort();
        let near = |at: usize, millis: u64| {
            let (low, high) = (millis * 8 / 10, millis * 12 / 10);
            assert!(
                (u128::from(low)..u128::from(high)).contains(&spread[at].as_millis()),
                "{:?}",
                spread[at]
            );
        };
        near(5_000, 80);
        near(9_900, 900);
        let uniform = waits("50ms..200ms");
        assert!(
            uniform
                .iter()
                .all(|wait| (50..=200).contains(&wait.as_millis()))
        );
        assert!(uniform.iter().any(|wait| wait.as_millis() < 60));
        assert!(uniform.iter().any(|wait| wait.as_millis() > 190));
    }

    #[test]
    fn an_endpoint_may_have_its_own() {
        let waits = Waits::new("1s; GET /v1/prices: 2s".parse().unwrap(), None);
        let next = |name, path| waits.next(Some(name), &Method::GET, path).as_secs();
        assert_eq!(next("GET /v1/prices", "/v1/prices"), 2);
        assert_eq!(next("GET /v1/products", "/v1/products"), 1);
        assert_eq!(waits.longest().as_secs(), 2);
    }
}

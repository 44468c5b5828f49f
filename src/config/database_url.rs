//! Where the database is, and how much of that may be shown.

use std::fmt;
use std::path::PathBuf;

use super::secret::Secret;

/// The database. The two kinds are told apart by the URL's scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// `sqlite:FILE`, also `sqlite://FILE`: the file's path.
    Sqlite(PathBuf),
    /// `postgres://…` or `postgresql://…`.
    Postgres(PostgresUrl),
}

impl DatabaseUrl {
    /// Takes a URL apart. The error is advice and never holds the URL.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("sqlite:") {
            let path = rest.strip_prefix("//").unwrap_or(rest);
            if path.is_empty() || path.contains(":memory:") {
                return Err(
                    "names no file: expected sqlite:FILE (there is no database in memory)"
                        .to_owned(),
                );
            }
            if path.contains('?') {
                return Err(
                    "has parameters after ?: leave them out; a missing file is created".to_owned(),
                );
            }
            return Ok(Self::Sqlite(PathBuf::from(path)));
        }
        PostgresUrl::parse(text).map(Self::Postgres)
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&url.redacted()),
        }
    }
}

/// A PostgreSQL URL. `Debug` and [`redacted`](Self::redacted) show neither the
/// password nor the parameters.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl(Secret);

/// The parts of `scheme://userinfo@host/name?parameters`.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    /// Host, port and database name.
    place: &'a str,
}

impl PostgresUrl {
    /// The URL with its password, for the driver only.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// As in `postgres://app:***@db.example.com:5432/crm`.
    pub fn redacted(&self) -> String {
        let Some(Parts {
            scheme,
            user,
            place,
        }) = split(self.0.expose())
        else {
            return "***".to_owned();
        };
        match user {
            Some(user) => format!("{scheme}://{user}:***@{place}"),
            None => format!("{scheme}://{place}"),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let Some(parts) = split(text) else {
            return Err("expected postgres://USER:PASSWORD@HOST/NAME or sqlite:FILE".to_owned());
        };
        if text.contains("[YOUR-PASSWORD]") {
            return Err(
                "still holds [YOUR-PASSWORD]: put the database's password there".to_owned(),
            );
        }
        if text.chars().any(char::is_whitespace) {
            return Err("contains whitespace: write it in the URL as %20".to_owned());
        }
        let authority = parts.place.split('/').next().unwrap_or_default();
        let (host, port) = authority.rsplit_once(':').unwrap_or((authority, ""));
        let supabase = host.ends_with(".supabase.com") || host.ends_with(".supabase.co");
        if supabase && port == "6543" {
            return Err(
                "is Supabase's transaction pooler (port 6543), which keeps no session: copy the \
                        Session pooler or Direct connection string (port 5432) instead"
                    .to_owned(),
            );
        }
        Ok(Self(Secret::new(text)))
    }
}

/// Splits at the last `@`, so that a password with an unescaped `@`, `/` or `?`
/// ends up in no part.
fn split(url: &str) -> Option<Parts<'_>> {
    let (scheme, rest) = url.split_once("://")?;
    if !matches!(scheme, "postgres" | "postgresql") || rest.is_empty() {
        return None;
    }
    let (user, place) = match rest.rsplit_once('@') {
        Some((info, place)) => (Some(info.split(':').next().unwrap_or_default()), place),
        None => (None, rest),
    };
    let place = place.split('?').next().unwrap_or_default();
    Some(Parts {
        scheme,
        user,
        place,
    })
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_urls() {
        let sqlite = |text| DatabaseUrl::parse(text).unwrap();
        assert_eq!(
            sqlite("sqlite:data/a.db"),
            DatabaseUrl::Sqlite("data/a.db".into())
        );
        assert_eq!(
            sqlite("sqlite://data/a.db"),
            DatabaseUrl::Sqlite("data/a.db".into())
        );
        assert_eq!(
            sqlite("sqlite:///var/a.db"),
            DatabaseUrl::Sqlite("/var/a.db".into())
        );
        assert_eq!(sqlite("sqlite:/var/a.db").to_string(), "sqlite:/var/a.db");
        for (bad, why) in [
            ("sqlite:", "names no file"),
            ("sqlite::memory:", "names no file"),
            ("sqlite:a.db?mode=rwc", "parameters"),
            ("mysql://u:hunter2@h/d", "expected postgres://"),
            ("postgres://", "expected postgres://"),
            ("data/a.db", "expected postgres://"),
            ("postgres://u:[YOUR-PASSWORD]@h/d", "[YOUR-PASSWORD]"),
            ("postgres://u:hunter2 @h/d", "whitespace"),
            (
                "postgres://u:hunter2@aws-0-eu.pooler.supabase.com:6543/postgres",
                "6543",
            ),
        ] {
            let error = DatabaseUrl::parse(bad).unwrap_err();
            assert!(error.contains(why), "{bad}: {error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn passwords_are_never_shown() {
        for (url, shown) in [
            ("postgres://u:hunter2@h:5432/d", "postgres://u:***@h:5432/d"),
            (
                "postgresql://u:hu@nt/er2?@h/d?sslmode=require",
                "postgresql://u:***@h/d",
            ),
            ("postgres://h/d?user=u&password=hunter2", "postgres://h/d"),
            ("postgres://u@h/d", "postgres://u:***@h/d"),
        ] {
            let parsed = DatabaseUrl::parse(url).unwrap();
            assert_eq!(parsed.to_string(), shown);
            assert!(!format!("{parsed:?}").contains("er2"));
        }
    }
}

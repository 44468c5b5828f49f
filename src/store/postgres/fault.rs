//! What PostgreSQL and the way to it say, in the port's words: named by what is
//! done next. The server's own sentence goes along where it says which table or
//! role; it never holds the password.

use std::io::ErrorKind;

use super::place::WAIT;
use crate::store::Error;
use crate::store::fault::{Fault, is_unreadable};

/// A fault of the store on this database.
pub(super) fn told(fault: Fault, name: &str) -> Error {
    fault.told(name, sql_error)
}

/// Mend it.
pub(super) fn unusable(message: String) -> Error {
    Error::Unusable {
        message,
        source: None,
    }
}

/// What is done next.
enum Next {
    TryAgain,
    Mend,
}

pub(super) fn sql_error(error: sqlx::Error, name: &str) -> Error {
    let (next, message) = if let Some(driver) = error.as_database_error() {
        if driver.is_unique_violation() {
            return Error::Duplicate {
                what: duplicate(driver.constraint().unwrap_or_default()),
            };
        }
        let code = driver.code().unwrap_or_default();
        by_code(&code, driver.message(), name)
    } else if matches!(error, sqlx::Error::PoolClosed) {
        return told(Fault::Closed, name);
    } else {
        on_the_way(&error, name)
    };
    let source: Option<Box<dyn std::error::Error + Send + Sync>> = Some(Box::new(error));
    match next {
        Next::TryAgain => Error::Unavailable { message, source },
        Next::Mend => Error::Unusable { message, source },
    }
}

/// What the server did not say itself.
fn on_the_way(error: &sqlx::Error, name: &str) -> (Next, String) {
    use Next::{Mend, TryAgain};
    let tls = |said: &dyn std::fmt::Display| {
        let what = format!(
            "`{name}` cannot be reached over TLS: {said}; set sslmode (verify-full, require, disable) and sslrootcert in `database.url`"
        );
        (Mend, what)
    };
    if let sqlx::Error::Tls(said) = error {
        return tls(said);
    }
    if let sqlx::Error::Io(said) = error {
        // A certificate that is not trusted comes as this.
        if said.kind() == ErrorKind::InvalidData {
            return tls(said);
        }
        let what =
            format!("`{name}` does not answer: {said}; is it running, and reachable from here?");
        return (TryAgain, what);
    }
    if let sqlx::Error::Configuration(what) = error {
        let what = format!(
            "`database.url` cannot be used: {what}; expected postgres://USER:PASSWORD@HOST:PORT/NAME"
        );
        return (Mend, what);
    }
    if is_unreadable(error) {
        let what = format!("`{name}` holds a row that cannot be read; restore it from a backup");
        return (Mend, what);
    }
    let what = if matches!(error, sqlx::Error::PoolTimedOut) {
        // A pool that cannot connect tries until then, and says no more than one that is full.
        format!(
            "`{name}` is busy or away: within {} s no connection to it came free or could be made",
            WAIT.as_secs()
        )
    } else {
        format!("`{name}` did not answer")
    };
    (TryAgain, what)
}

/// By SQLSTATE: <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn by_code(code: &str, said: &str, name: &str) -> (Next, String) {
    use Next::{Mend, TryAgain};
    match code {
        "57P01" | "57P02" | "57P03" | "57P05" | "25P03" => (
            TryAgain,
            format!(
                "`{name}` ended the connection ({said}); a restart or a failover, it is connected to again"
            ),
        ),
        "25006" => (
            TryAgain,
            format!(
                "`{name}` takes no writes: it is a standby, or a failover is under way; `database.url` has to name the primary"
            ),
        ),
        "40001" | "40P01" => (
            TryAgain,
            format!("`{name}` broke off a transaction that got in another one's way"),
        ),
        "53100" => (
            TryAgain,
            format!("the disk of `{name}` is full; free some space"),
        ),
        "53300" => (
            TryAgain,
            format!(
                "`{name}` has no connection left ({said}); end some others, or raise its limit"
            ),
        ),
        "55P03" | "57014" => (
            TryAgain,
            format!("`{name}` took too long ({said}); look for a lock in pg_stat_activity"),
        ),
        "42501" => (
            Mend,
            format!(
                "`{name}` does not let this role do its work: {said}; grant it, or use the role that owns the tables"
            ),
        ),
        "28P01" | "28000" => (
            Mend,
            format!(
                "`{name}` refuses this user: {said}; correct user and password in `database.url`"
            ),
        ),
        "3D000" => (
            Mend,
            format!(
                "`{name}` is not there: {said}; create the database, or correct its name in `database.url`"
            ),
        ),
        "42P01" | "42703" | "3F000" | "42883" => (
            Mend,
            format!(
                "`{name}` has another schema than this program's: {said}; run `stripe-product-sync migrate`, or correct `database.schema`"
            ),
        ),
        "22021" | "22P05" => (
            Mend,
            format!("`{name}` cannot keep a text with the character NUL in it"),
        ),
        // What a transaction pooler makes of statements that were prepared on another connection.
        "26000" | "42P05" => (Mend, pooled(name)),
        "XX001" | "XX002" => (
            Mend,
            format!("`{name}` is damaged ({said}); restore it from a backup"),
        ),
        _ if code.starts_with("08") => (
            TryAgain,
            format!("the connection to `{name}` was lost ({said})"),
        ),
        _ if code.starts_with("53") => (
            TryAgain,
            format!("`{name}` lacks what it needs for this ({said}); try again"),
        ),
        _ => (
            Mend,
            format!("`{name}` refused a statement ({said}); was its schema changed?"),
        ),
    }
}

/// A transaction pooler, with the way out.
pub(super) fn pooled(name: &str) -> String {
    format!(
        "`{name}` is behind a transaction pooler, which keeps no session; set `database.url` to the database itself, or to a pooler in session mode (Supabase: the Direct or the Session pooler connection string, port 5432 and not 6543; PgBouncer: pool_mode = session)"
    )
}

/// By the constraint's name.
fn duplicate(constraint: &str) -> String {
    match constraint {
        "sync_runs_request_id_key" => "the run of this request id".to_owned(),
        "sync_runs_waiting" => "a run that waits in this queue".to_owned(),
        "sync_runs_pkey" => "a run of this id".to_owned(),
        "sync_run_events_pkey" => "a progress event of this number".to_owned(),
        other => format!("a row of the same {other}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_for_later(code: &str) -> bool {
        let (next, text) = by_code(code, "it said", "db:5432/crm");
        assert!(text.contains("`db:5432/crm`"), "{text}");
        matches!(next, Next::TryAgain)
    }

    #[test]
    fn a_certificate_is_no_lost_connection() {
        let io = |kind| sqlx::Error::Io(std::io::Error::new(kind, "it said"));
        let refused = sql_error(io(ErrorKind::ConnectionRefused), "db:5432/crm");
        assert!(matches!(refused, Error::Unavailable { .. }), "{refused}");
        let untrusted = sql_error(io(ErrorKind::InvalidData), "db:5432/crm");
        assert!(matches!(untrusted, Error::Unusable { .. }), "{untrusted}");
        assert!(untrusted.to_string().contains("sslrootcert"));
    }

    #[test]
    fn what_passes_is_tried_again_and_the_rest_is_mended() {
        for code in [
            "57P01", "57P02", "57P03", "08006", "08P01", "40001", "40P01", "53000", "53100",
            "53200", "53300", "55P03", "57014", "25006", "25P03",
        ] {
            assert!(is_for_later(code), "{code}");
        }
        for code in [
            "42501", "28P01", "28000", "3D000", "42P01", "42703", "3F000", "22021", "22P05",
            "26000", "XX001", "22003", "23502", "",
        ] {
            assert!(!is_for_later(code), "{code}");
        }
    }
}

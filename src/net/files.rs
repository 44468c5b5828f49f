//! How many files, and so connections, the process may have open.

/// Kept free for everything else: the database, the catalog's files, calls to Stripe.
const RESERVE: u64 = 128;

/// Takes all the system allows: the soft limit is low (often 1024) for the sake of
/// programs that use `select`, and this one is none. `None` where there is no limit to
/// be known.
#[cfg(unix)]
pub(crate) fn raise_limit() -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        // macOS has a lower limit that it does not tell.
        Err(error) => {
            tracing::debug!(%error, "the limit of open files stays as it is");
            current
        }
    }
}

/// Elsewhere it is not known.
#[cfg(not(unix))]
pub(crate) fn raise_limit() -> Option<u64> {
    None
}

/// How many connections each of two servers may hold so that both find files for them.
pub(crate) fn connections(wanted: u32, limit: Option<u64>) -> usize {
    let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
    let Some(limit) = limit else {
        return wanted;
    };
    let each = limit.saturating_sub(RESERVE) / 2;
    // Even with hardly any files somebody should be served.
    let each = usize::try_from(each).unwrap_or(usize::MAX).max(16);
    wanted.min(each)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_find_files_for_their_connections() {
        assert_eq!(connections(2000, None), 2000);
        assert_eq!(connections(2000, Some(20_000)), 2000);
        assert_eq!(connections(2000, Some(1024)), 448);
        assert_eq!(connections(2000, Some(100)), 16);
    }
}

//! Which far side with which catalog and database, and what is refused.

use super::super::{CatalogRoot, DatabaseUrl, Mode, Notice, OnStart, Setup, Sources};
use super::{bad, env, file, good};
use crate::access::KeyRequired;

const KEY: (&str, &str) = ("STRIPE_SECRET_KEY", "sk_test_a");
const ROOT: (&str, &str) = ("SPS_CATALOG__ROOT", "crm");
const POSTGRES: (&str, &str) = ("DATABASE_URL", "postgres://u:hunter2@h/d");

#[test]
fn nothing_configured_is_the_sample_on_the_sandbox() {
    // Other keys don't count.
    for sources in [
        Sources::default(),
        env(&[("SPS_STRIPE__RATE_LIMIT", "100"), ("PATH", "/bin")]),
    ] {
        let config = good(&sources);
        assert!(config.defaults());
        assert_eq!(
            config.setup,
            Setup::Sandbox {
                catalog: CatalogRoot::Sample("examples/ghostcrm".into()),
                database: "data/stripe-product-sync.db".into(),
                state: "data/stripe-sandbox.jsonl".into(),
            }
        );
        assert_eq!(config.sync.on_start, OnStart::Sync);
        let [notice] = config.notices() else {
            panic!("{:?}", config.notices())
        };
        let line = notice.to_string();
        for word in [
            "Nothing is configured",
            "catalog.root",
            "STRIPE_SECRET_KEY",
            "DATABASE_URL",
        ] {
            assert!(line.contains(word), "{line}");
        }
        assert!(!line.contains('\n'));
    }
}

#[test]
fn a_root_without_a_key_is_the_sandbox_and_says_so() {
    let config = good(&env(&[ROOT]));
    assert!(!config.defaults());
    assert_eq!(config.sync.on_start, OnStart::Validate);
    let Setup::Sandbox { catalog, .. } = &config.setup else {
        panic!("{:?}", config.setup)
    };
    assert_eq!(*catalog, CatalogRoot::Path("crm".into()));
    assert_eq!(
        config.notices(),
        [Notice::Sandbox {
            catalog: CatalogRoot::Path("crm".into()),
            state: "data/stripe-sandbox.jsonl".into()
        }]
    );
    assert!(config.notices()[0].to_string().contains("NO STRIPE KEY"));
}

#[test]
fn a_database_of_ones_own_has_a_sandbox_of_its_own() {
    let config = good(&env(&[("DATABASE_URL", "sqlite:/var/lib/a.db")]));
    assert!(!config.defaults());
    let Setup::Sandbox {
        catalog,
        database,
        state,
    } = &config.setup
    else {
        panic!("{:?}", config.setup)
    };
    assert!(matches!(catalog, CatalogRoot::Sample(_)));
    assert_eq!(database.to_str(), Some("/var/lib/a.db"));
    assert_eq!(state.to_str(), Some("/var/lib/a.db.stripe-sandbox.jsonl"));
    let notice = config.notices()[0].to_string();
    assert!(
        notice.contains("the sample catalog in examples/ghostcrm"),
        "{notice}"
    );

    // The default written out is still the default's file.
    let usual = good(&env(&[(
        "DATABASE_URL",
        "sqlite:data/stripe-product-sync.db",
    )]));
    let expected = CatalogRoot::Sample("examples/ghostcrm".into());
    assert_eq!(
        usual.notices(),
        [Notice::Sandbox {
            catalog: expected,
            state: "data/stripe-sandbox.jsonl".into()
        }]
    );
}

#[test]
fn a_key_and_a_root_are_stripe() {
    let config = good(&env(&[KEY, ROOT]));
    let Setup::Stripe {
        key,
        catalog,
        database,
    } = &config.setup
    else {
        panic!("{:?}", config.setup)
    };
    assert_eq!(key.expose(), "sk_test_a");
    assert_eq!(catalog.to_str(), Some("crm"));
    assert_eq!(
        *database,
        DatabaseUrl::Sqlite("data/stripe-product-sync.db".into())
    );
    assert_eq!(config.notices(), []);
    assert_eq!(
        (config.stripe.mode, config.stripe.rate_limit),
        (Mode::Test, 25)
    );

    let config = good(&env(&[KEY, ROOT, POSTGRES]));
    assert!(matches!(
        config.setup,
        Setup::Stripe {
            database: DatabaseUrl::Postgres(_),
            ..
        }
    ));
    assert_eq!(config.setup.sqlite_path(), None);
}

#[test]
fn a_key_without_a_root_is_refused() {
    assert_eq!(
        bad(&env(&[KEY])),
        [
            "stripe.secret_key: set without catalog.root: the sample catalog must not reach a real account \
          (STRIPE_SECRET_KEY); set catalog.root to the folder of your own catalog"
        ]
    );
}

#[test]
fn postgres_without_a_key_is_refused() {
    for sources in [env(&[POSTGRES]), env(&[POSTGRES, ROOT])] {
        let lines = bad(&sources);
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].starts_with("database.url: is PostgreSQL, but there is no Stripe key"),
            "{lines:?}"
        );
        assert!(
            lines[0].ends_with("(DATABASE_URL); set STRIPE_SECRET_KEY, or use sqlite:FILE"),
            "{lines:?}"
        );
    }
}

#[test]
fn supabases_address_is_no_database() {
    let supabase = ("SUPABASE_URL", "https://abc.supabase.co");
    let lines = bad(&env(&[supabase]));
    assert_eq!(lines.len(), 1, "{lines:?}");
    for word in [
        "database.url",
        "(SUPABASE_URL)",
        "Session pooler",
        "Direct connection",
        "6543",
        "DATABASE_URL",
    ] {
        assert!(lines[0].contains(word), "{word}: {lines:?}");
    }
    good(&env(&[supabase, ("DATABASE_URL", "sqlite:a.db")]));
    let (_dir, sources) = file("database.url = \"sqlite:a.db\"", &[supabase]);
    good(&sources);
}

#[test]
fn keys_must_be_of_the_mode() {
    let live = ("SPS_STRIPE__MODE", "live");
    for (key, with_live, refused) in [
        ("sk_live_a", false, true),
        ("rk_live_a", false, true),
        ("sk_test_a", true, true),
        ("rkcs_test_a", true, true),
        ("sk_live_a", true, false),
        ("rk_live_a", true, false),
        ("rkcs_test_a", false, false),
    ] {
        let mut pairs = vec![("STRIPE_SECRET_KEY", key), ROOT];
        pairs.extend(with_live.then_some(live));
        let sources = env(&pairs);
        if refused {
            let lines = bad(&sources);
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert!(
                lines[0].starts_with("stripe.secret_key: is a ")
                    && lines[0].contains("stripe.mode"),
                "{lines:?}"
            );
            assert!(!lines[0].contains(key), "{lines:?}");
        } else {
            good(&sources);
        }
    }
    let config = good(&env(&[("STRIPE_SECRET_KEY", "sk_live_a"), ROOT, live]));
    assert_eq!(
        (config.stripe.mode, config.stripe.rate_limit),
        (Mode::Live, 100)
    );
    assert_eq!(config.reports.environment, "live");
}

#[test]
fn an_organisations_key_needs_an_account() {
    let key = ("STRIPE_SECRET_KEY", "sk_org_a");
    let lines = bad(&env(&[key, ROOT]));
    assert!(lines[0].contains("stripe.account"), "{lines:?}");
    let config = good(&env(&[key, ROOT, ("SPS_STRIPE__ACCOUNT", "acct_1")]));
    assert_eq!(config.stripe.account.as_deref(), Some("acct_1"));
}

#[test]
fn the_sandbox_is_in_test_mode() {
    let config = good(&env(&[
        ("SPS_STRIPE__MODE", "live"),
        ("STRIPE_API_BASE", "http://localhost:1"),
    ]));
    assert_eq!(
        (config.stripe.mode, config.stripe.rate_limit),
        (Mode::Test, 25)
    );
    assert_eq!(
        config.notices()[1..],
        [
            Notice::NeedsKey("stripe.api_base"),
            Notice::NeedsKey("stripe.mode")
        ]
    );
    assert_eq!(
        good(&env(&[("SPS_STRIPE__RATE_LIMIT", "100")]))
            .stripe
            .rate_limit,
        100
    );
}

#[test]
fn beyond_loopback_takes_keys_and_tls_or_a_proxy() {
    let open = ("SPS_SERVER__GRPC_LISTEN", "0.0.0.0:50051");
    let proxy = ("SPS_SERVER__BEHIND_PROXY", "true");
    let tls = [("SPS_TLS__CERT", "cert.pem"), ("SPS_TLS__KEY", "key.pem")];
    let no_auth = ("SPS_AUTH__REQUIRED", "false");

    let lines = bad(&env(&[open]));
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(
        lines[0].starts_with(
            "server.grpc_listen: beyond loopback without TLS (SPS_SERVER__GRPC_LISTEN)"
        )
    );
    assert!(lines[0].contains("server.behind_proxy"), "{lines:?}");

    let required = |set: &[(&str, &str)]| good(&env(set)).auth.required;
    assert_eq!(required(&[open, proxy]), KeyRequired::Always);
    // A proxy on this machine lets in who could not call it otherwise.
    assert_eq!(required(&[proxy]), KeyRequired::Always);
    assert!(bad(&env(&[proxy, no_auth]))[0].starts_with("auth.required"));
    let config = good(&env(&[open, tls[0], tls[1]]));
    assert!(config.auth.required == KeyRequired::Always && config.tls.is_some());

    assert!(bad(&env(&[open, proxy, no_auth]))[0].contains("auth.required"));
    assert_eq!(bad(&env(&[open, no_auth])).len(), 2);
    assert_eq!(
        bad(&env(&[open, ("SPS_SERVER__HTTP_LISTEN", "[::]:8080")])).len(),
        2
    );

    assert_eq!(required(&[]), KeyRequired::OnceMade);
    assert_eq!(required(&[no_auth]), KeyRequired::Never);
    let auth = ("SPS_AUTH__REQUIRED", "true");
    assert_eq!(required(&[auth]), KeyRequired::Always);
}

#[test]
fn half_a_tls_section_is_refused() {
    let lines = bad(&env(&[("SPS_TLS__CERT", "c.pem")]));
    assert_eq!(
        lines,
        ["tls.cert: set without tls.key (SPS_TLS__CERT); set tls.key too"]
    );
    assert_eq!(bad(&env(&[("SPS_TLS__CLIENT_CA", "ca.pem")])).len(), 2);
}

#[test]
fn the_label_in_reports_is_ones_own() {
    assert_eq!(good(&env(&[])).reports.environment, "test");
    assert_eq!(
        good(&env(&[("SPS_REPORTS__ENVIRONMENT", "production")]))
            .reports
            .environment,
        "production"
    );
}

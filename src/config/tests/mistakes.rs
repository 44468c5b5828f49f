//! All mistakes at once, each with its key, its place and no secret.

use super::super::{ConfigFile, Override, Sources};
use super::{bad, bad_with, env, file, good};

#[test]
fn all_at_once_with_key_place_and_advice() {
    let text = "\
[stripe]
lookup_key = true
mode = \"tset\"

[sync]
debounce = 5
on_start = \"always\"
max_archives = -1

[catalog.min_price]
usd = \"cheap\"
";
    let (_dir, sources) = file(
        text,
        &[
            ("SPS_SYNC__ON_DRIFT", "fix"),
            ("SPS_SERVER__GRPC_LISTEN", "8080"),
        ],
    );
    let flags = [Override::new("telemetry.log_format", "xml", "--log-format")];
    assert_eq!(
        bad_with(&sources, &flags),
        [
            "catalog.min_price.usd: \"cheap\" is no amount: expected an amount in major units, such as \
             \"19.99\" (conf.toml:11)",
            "server.grpc_listen: \"8080\" is no address: expected ADDRESS:PORT, as in 127.0.0.1:8080 or \
             [::]:8080 (SPS_SERVER__GRPC_LISTEN)",
            "stripe.lookup_key: unknown key (conf.toml:2); did you mean stripe.lookup_keys?",
            "stripe.mode: \"tset\" is not one of test, live (conf.toml:3)",
            "sync.debounce: 5 has no unit: expected a duration such as 250ms, 5s, 1h or 1h30m (conf.toml:6)",
            "sync.max_archives: \"-1\" is not a whole number of 0 or more (conf.toml:8)",
            "sync.on_drift: \"fix\" is not one of repair, report (SPS_SYNC__ON_DRIFT)",
            "sync.on_start: \"always\" is not one of off, validate, sync (conf.toml:7)",
            "telemetry.log_format: \"xml\" is not one of auto, json, pretty (--log-format)",
        ]
    );
}

#[test]
fn what_a_stronger_layer_overrides_is_checked_too() {
    let (_dir, sources) = file("sync.debounce = \"soon\"", &[("SPS_SYNC__DEBOUNCE", "1s")]);
    assert_eq!(
        bad(&sources),
        ["sync.debounce: \"soon\" is not a duration such as 250ms, 5s, 1h or 1h30m (conf.toml:1)"]
    );
}

#[test]
fn a_named_file_must_exist_and_be_text() {
    let dir = tempfile::tempdir().unwrap();
    let sources = |file| Sources {
        file,
        dir: dir.path().to_owned(),
        ..Sources::default()
    };
    let missing = sources(ConfigFile::Required("no.toml".into()));
    assert_eq!(bad(&missing), ["no.toml: does not exist"]);
    std::fs::write(dir.path().join("bin.toml"), [0xff, 0xfe]).unwrap();
    let binary = sources(ConfigFile::IfPresent("bin.toml".into()));
    assert_eq!(bad(&binary), ["bin.toml: is not UTF-8 text"]);
}

#[test]
fn a_syntax_error_hides_no_other_mistake_and_shows_no_secret() {
    let text =
        "[stripe]\nsecret_key = sk_test_hunter2\nmod = \"test\"\n[catalog]\nroot = \"crm\"\n";
    let (_dir, sources) = file(text, &[]);
    let lines = bad(&sources);
    assert!(
        lines[0].starts_with("conf.toml:2: not valid TOML: "),
        "{lines:?}"
    );
    assert_eq!(
        lines.last().unwrap(),
        "stripe.mod: unknown key (conf.toml:3); did you mean stripe.mode?"
    );
    assert!(!lines.concat().contains("hunter2"), "{lines:?}");
}

#[test]
fn below_a_broken_header_nothing_is_guessed() {
    let (_dir, sources) = file("[catalog]\nid = \"a\"\n[stripe\nmode = \"test\"\n", &[]);
    let lines = bad(&sources);
    assert!(
        lines
            .iter()
            .all(|line| line.starts_with("conf.toml:3: not valid TOML: ")),
        "{lines:?}"
    );
}

#[test]
fn a_key_may_stand_in_a_line_that_could_not_be_read() {
    let (_dir, sources) = file(
        "[catalog]\nroot = crm\n",
        &[("STRIPE_SECRET_KEY", "sk_test_a")],
    );
    let lines = bad(&sources);
    assert!(
        lines.iter().all(|line| line.starts_with("conf.toml:2: ")),
        "{lines:?}"
    );
}

#[test]
fn unknown_sections_and_misplaced_values() {
    let text = "secret_key = \"sk_test_hunter2\"\nstripe = 5\n[strip]\nmode = \"test\"\n[database]\n[colours]\n";
    let (_dir, sources) = file(text, &[("SPS_COLOURS__SKY", "blue")]);
    assert_eq!(
        bad(&sources),
        [
            "colours: unknown key (conf.toml:6)",
            "colours.sky: unknown key (SPS_COLOURS__SKY)",
            "secret_key: unknown key (conf.toml:1); did you mean stripe.secret_key?",
            "strip.mode: unknown key (conf.toml:4); did you mean stripe.mode?",
            "stripe: is a section, not a key (conf.toml:2); write [stripe] and its keys below",
        ]
    );
}

#[test]
fn wrong_types() {
    let text = "\
[stripe]
lookup_keys = \"yes\"
rate_limit = 0
max_attempts = 1.5
webhook_secrets = \"whsec_a\"
secret_key = 5
api_base = [\"a\"]
[catalog]
min_price = 5
root = \"\"
[sync]
trigger_events = [\"a.b\", 5]
on_removed = 1979-05-27
";
    let (_dir, sources) = file(text, &[]);
    assert_eq!(
        bad(&sources),
        [
            "catalog.min_price: expected a table such as { usd = \"0.50\" }, found a number (conf.toml:9)",
            "catalog.root: is empty: expected a path (conf.toml:10)",
            "stripe.api_base: expected text, found a list (conf.toml:7)",
            "stripe.lookup_keys: expected true or false, found text (conf.toml:2)",
            "stripe.max_attempts: \"1.5\" is not a whole number of 0 or more (conf.toml:4)",
            "stripe.rate_limit: must be at least 1 (conf.toml:3)",
            "stripe.secret_key: expected text, found a number (conf.toml:6)",
            "stripe.webhook_secrets: expected a list such as [\"a\", \"b\"], found text (conf.toml:5)",
            "sync.on_removed: expected text, found a date (conf.toml:13)",
            "sync.trigger_events: item 2: expected text, found a number (conf.toml:12)",
        ]
    );
}

#[test]
fn values_with_rules_of_their_own() {
    for (name, value, why) in [
        ("STRIPE_API_BASE", "http://api.stripe.com", "plain http"),
        ("STRIPE_API_BASE", "nonsense", "is not a URL"),
        (
            "STRIPE_WEBHOOK_SECRET",
            "whsec_a,secret",
            "item 2: is not a webhook signing secret",
        ),
        ("SPS_STRIPE__ACCOUNT", "12345", "is not an account id"),
        (
            "SPS_STRIPE__PRODUCT_ID_PREFIX",
            "a b",
            "letters, digits, _ and -",
        ),
        ("SPS_STRIPE__LOOKUP_KEY_PREFIX", "a b", "without spaces"),
        ("SPS_STRIPE__TIMEOUT", "0s", "must be above zero"),
        ("SPS_DATABASE__SCHEMA", "My Schema", "a schema name"),
        ("SPS_CATALOG__ID", "a/b", "letters, digits"),
        (
            "SPS_CATALOG__MIN_PRICE",
            "{ dollars = 1 }",
            "is no currency",
        ),
        ("SPS_CATALOG__MIN_PRICE__USD", "-1", "is negative"),
        ("SPS_SYNC__MAX_WAIT", "1s", "is shorter than sync.debounce"),
        (
            "SPS_SYNC__TRIGGER_EVENTS",
            "[\"a b\"]",
            "is not an event type",
        ),
        (
            "SPS_SCHEDULE__SYNC",
            "weekly",
            "is not one of off, hourly, daily",
        ),
        ("SPS_SCHEDULE__SYNC", "* * * *", "five cron fields"),
        ("SPS_VALIDATE__CACHE", "1 hour", "is not a duration"),
        (
            "SPS_ALERTS__URL",
            "http://hooks.example.com/x",
            "plain http",
        ),
        ("SPS_ALERTS__FORMAT", "xml", "is not one of json, slack"),
        ("SPS_REPORTS__DIR", "\"\"", "is empty"),
        (
            "SPS_TELEMETRY__LOG_LEVEL",
            "loud",
            "is not one of error, warn, info, debug, trace",
        ),
        ("SPS_SERVER__HTTP_LISTEN", "127.0.0.1:50051", "taken twice"),
    ] {
        let lines = bad(&env(&[(name, value)]));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(
            lines[0].contains(why) && lines[0].contains(&format!("({name})")),
            "{why}: {lines:?}"
        );
    }
    let (_dir, sources) = file("[catalog]\nmin_price.usd = 5\nmax_price.usd = 4.99\n", &[]);
    assert!(bad(&sources)[0].contains("usd is above catalog.max_price"));
}

#[test]
fn secrets_set_twice_or_unreadable() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("key"), "sk_test_hunter2").unwrap();
    std::fs::write(dir.path().join("empty"), "\n").unwrap();
    let root = ("SPS_CATALOG__ROOT", "crm");
    let in_dir = |pairs: &[(&str, &str)]| Sources {
        dir: dir.path().to_owned(),
        ..env(pairs)
    };

    let twice = in_dir(&[
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ("STRIPE_SECRET_KEY_FILE", "key"),
        root,
    ]);
    assert_eq!(
        bad(&twice),
        [
            "stripe.secret_key: set twice (STRIPE_SECRET_KEY_FILE); STRIPE_SECRET_KEY sets it too: keep one of them"
        ]
    );
    let names = in_dir(&[
        ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ("SPS_STRIPE__SECRET_KEY", "sk_test_b"),
        root,
    ]);
    assert!(bad(&names)[0].contains("set twice"));

    let missing = bad(&in_dir(&[("STRIPE_SECRET_KEY_FILE", "no"), root]));
    assert_eq!(missing.len(), 1, "{missing:?}");
    assert!(
        missing[0].contains("no does not exist (STRIPE_SECRET_KEY_FILE)"),
        "{missing:?}"
    );
    assert!(bad(&in_dir(&[("STRIPE_SECRET_KEY_FILE", "empty"), root]))[0].contains("is empty"));
    // A key that can't be read is still a key: PostgreSQL is not refused for lack of one.
    let postgres = ("DATABASE_URL", "postgres://u:p@h/d");
    assert_eq!(
        bad(&in_dir(&[("STRIPE_SECRET_KEY_FILE", "no"), postgres, root])).len(),
        1
    );
}

#[test]
fn bad_keys_are_told_without_the_key() {
    for key in [
        "pk_test_hunter2",
        "sk_test_ hunter2",
        "hunter2",
        "sk_live_hunter2",
        "sk_test_hunter2…",
    ] {
        let lines = bad(&env(&[
            ("STRIPE_SECRET_KEY", key),
            ("SPS_CATALOG__ROOT", "crm"),
        ]));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].starts_with("stripe.secret_key: "), "{lines:?}");
        assert!(!lines[0].contains("hunter2"), "{lines:?}");
    }
    // A secret in the wrong place is no less secret.
    for (name, value) in [
        ("SPS_STRIPE__ACCOUNT", "sk_live_hunter2"),
        ("SPS_CATALOG__ID", "postgres://u:hunter2@h/d"),
        ("SPS_SYNC__DEBOUNCE", "whsec_hunter2"),
        ("SPS_STRIPE__MODE", "rk_live_hunter2"),
        ("DATABASE_URL", "mysql://u:hunter2@h/d"),
        ("SPS_ALERTS__URL", "ftp://hunter2"),
        ("STRIPE_API_BASE", "https://u:hunter2@h"),
    ] {
        let lines = bad(&env(&[(name, value)]));
        assert!(!lines.concat().contains("hunter2"), "{lines:?}");
    }
}

#[test]
fn a_bad_mode_is_told_once() {
    let sources = env(&[
        ("STRIPE_SECRET_KEY", "sk_live_a"),
        ("SPS_STRIPE__MODE", "lvie"),
        ("SPS_CATALOG__ROOT", "crm"),
    ]);
    assert_eq!(
        bad(&sources),
        ["stripe.mode: \"lvie\" is not one of test, live (SPS_STRIPE__MODE)"]
    );
}

#[test]
fn a_missing_underscore_is_seen_and_strangers_are_left_alone() {
    assert_eq!(
        bad(&env(&[("SPS_STRIPE_MODE", "live")])),
        [
            "stripe.mode: the variable's name lacks an underscore (SPS_STRIPE_MODE); did you mean SPS_STRIPE__MODE?"
        ]
    );
    // What Kubernetes sets for a service called "sps" or "sps-server".
    good(&env(&[
        ("SPS_PORT", "tcp://10.0.0.1:50051"),
        ("SPS_SERVER_SERVICE_HOST", "10.0.0.1"),
    ]));
}

#[test]
fn what_signs_alerts_is_a_key_and_never_shown() {
    let mistake = |secret: &str| bad(&env(&[("SPS_ALERTS__SECRET", secret)]));
    assert_eq!(
        mistake("whsec_not base64"),
        [
            "alerts.secret: is whsec_ with something behind it that is not base64: copy it again \
             (SPS_ALERTS__SECRET)"
        ]
    );
    let short = mistake("guess me");
    assert!(
        short[0].starts_with("alerts.secret: is too short: at least 16 bytes"),
        "{short:?}"
    );
    let config = good(&env(&[(
        "SPS_ALERTS__SECRET",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    )]));
    let key = config.alerts.secret.unwrap();
    assert_eq!(key.bytes().len(), 24);
    assert_eq!(format!("{key:?}"), "***");
}

#[test]
fn text_is_what_it_looks_like() {
    for hidden in ["logs\\nx", "logs\\u001b[31m", "logs\\u202e", "logs\\u200b"] {
        let (_dir, sources) = file(&format!("reports.dir = \"{hidden}\"\n"), &[]);
        let mistakes = bad(&sources);
        assert!(mistakes[0].contains("not seen"), "{mistakes:?}");
    }
    let (_dir, sources) = file("\"a\\u001b[31m\\nb\" = 1\n", &[]);
    let mistakes = bad(&sources);
    assert!(!mistakes[0].contains(char::is_control), "{mistakes:?}");
}

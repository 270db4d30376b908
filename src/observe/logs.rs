//! The diagnosis log: systemd's journal, or lines on stderr for people or for machines.

use crate::config::{LogConfig, LogFormat};
use std::fmt;
use std::io::{self, Write};
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::Registry;

/// What is logged unless configuration or `AKUND_LOG` say otherwise. lettre logs credentials when asked to trace; ldap3 is
/// talkative about what the lane reports anyway.
pub const DEFAULT_FILTER: &str = "info,lettre=off,ldap3=error";

/// Silent whatever is asked for, unless named: lapin warns of a message that comes back with the whole message, and of all else that
/// is told here; h2 traces headers, and with them what logs in to Google; PostgreSQL remarks on what akund does on purpose (tables
/// that are there already, a transaction that has ended).
const SILENT: [&str; 3] = ["lapin", "h2", "sqlx::postgres::notice"];

/// Overrides the configured filter.
pub const FILTER_VARIABLE: &str = "AKUND_LOG";

/// Starts the log for the whole process and says where it goes: never [`LogFormat::Auto`]. Call it once.
///
/// # Errors
/// A sentence: a filter that cannot be read, a journal that was asked for and is not there, or a second call.
pub fn init(config: &LogConfig) -> Result<LogFormat, String> {
    let variable = std::env::var(FILTER_VARIABLE).ok().filter(|v| !v.trim().is_empty());
    let filter = chosen_filter(config, variable.as_deref())?;
    let (layer, format) = sink(config.format, under_journal())?;
    let subscriber = Registry::default().with(filter).with(layer);
    tracing::subscriber::set_global_default(subscriber).map_err(|_| "the log was started twice".to_owned())?;
    Ok(format)
}

/// Reads a filter, as [tracing's directives](https://docs.rs/tracing-subscriber/0.3/tracing_subscriber/filter/struct.EnvFilter.html#directives).
///
/// # Errors
/// A sentence that says what cannot be read.
pub fn parse_filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::builder().parse(text).map_err(|e| e.to_string())
}

fn chosen_filter(config: &LogConfig, variable: Option<&str>) -> Result<EnvFilter, String> {
    let (text, from) = match (variable, &config.filter) {
        (Some(text), _) => (text, FILTER_VARIABLE),
        (None, Some(text)) => (text.as_str(), "log.filter"),
        (None, None) => (DEFAULT_FILTER, "the default"),
    };
    let filter = parse_filter(text).map_err(|e| format!("the log filter \"{text}\" ({from}) cannot be read: {e}"))?;
    SILENT.into_iter().filter(|name| !text.contains(name)).try_fold(filter, |filter, name| {
        let off = format!("{name}=off").parse().map_err(|e| format!("{name} cannot be silenced: {e}"))?;
        Ok(filter.add_directive(off))
    })
}

type Sink = Box<dyn Layer<tracing_subscriber::layer::Layered<EnvFilter, Registry>> + Send + Sync>;

/// The layer for a format. `auto` takes the journal where stderr is connected to it and it answers.
fn sink(format: LogFormat, under_journal: bool) -> Result<(Sink, LogFormat), String> {
    match format {
        LogFormat::Journald => journald()
            .map(|l| (l, LogFormat::Journald))
            .map_err(|e| format!("the log cannot go to systemd's journal (log.format = \"journald\"): {e}")),
        LogFormat::Auto if under_journal => {
            Ok(journald().map_or_else(|_| (text(OneLine(io::stderr)), LogFormat::Text), |l| (l, LogFormat::Journald)))
        }
        LogFormat::Auto | LogFormat::Text => Ok((text(OneLine(io::stderr)), LogFormat::Text)),
        LogFormat::Json => Ok((json(io::stderr), LogFormat::Json)),
    }
}

fn journald() -> io::Result<Sink> {
    let layer =
        tracing_journald::layer()?.with_field_prefix(Some("AKUND".into())).with_syslog_identifier("akund".into());
    Ok(layer.boxed())
}

/// `2026-11-21 09:00:00.123 INFO lane: the message key=value`, in local time.
fn text<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Without colours: then every escape in a line is somebody else's, and is written out.
    tracing_subscriber::fmt::layer().compact().with_timer(LocalTime).with_ansi(false).with_writer(writer).boxed()
}

/// One object per line, the event's fields at its top level, time in UTC.
fn json<S, W>(writer: W) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt::layer().json().flatten_event(true).with_span_list(false).with_writer(writer).boxed()
}

/// Whether stderr is the stream that systemd connected to its journal: systemd.exec(5), `$JOURNAL_STREAM`.
fn under_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    // fstat(2) on the descriptor: a process that is not dumpable may not look into /proc/self/fd.
    nix::sys::stat::fstat(io::stderr()).is_ok_and(|stat| is_stream(&stream, stat.st_dev, stat.st_ino))
}

fn is_stream(variable: &str, device: u64, inode: u64) -> bool {
    variable == format!("{device}:{inode}")
}

struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        write!(w, "{}", jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S%.3f"))
    }
}

/// One event is one line of plain text: a line break or an escape in a value would let who wrote the value forge lines
/// or paint the terminal. (The layer escapes them in messages only.)
struct OneLine<M>(M);

impl<'w, M: MakeWriter<'w>> MakeWriter<'w> for OneLine<M> {
    type Writer = OneLine<M::Writer>;
    fn make_writer(&'w self) -> Self::Writer {
        OneLine(self.0.make_writer())
    }
}

impl<W: Write> Write for OneLine<W> {
    /// `event` is a whole one: that is how the fmt layer writes.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let mut line = String::with_capacity(text.len() + 1);
        for c in text.trim_end_matches('\n').chars() {
            match c.is_control() && c != '\t' {
                true => line.extend(c.escape_default()),
                false => line.push(c),
            }
        }
        line.push('\n');
        self.0.write_all(line.as_bytes())?;
        Ok(event.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl Captured {
        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }
    impl Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn captured(layer: impl FnOnce(Captured) -> Sink, filter: &str, events: impl FnOnce()) -> String {
        let out = Captured::default();
        let config = LogConfig { filter: Some(filter.into()), format: LogFormat::Text };
        let filter = chosen_filter(&config, None).unwrap();
        let subscriber = Registry::default().with(filter).with(layer(out.clone()));
        tracing::subscriber::with_default(subscriber, events);
        out.text()
    }

    fn as_text(out: Captured) -> Sink {
        text(OneLine(move || out.clone()))
    }
    fn as_json(out: Captured) -> Sink {
        json(move || out.clone())
    }

    #[test]
    fn a_line_for_people_has_time_level_message_and_fields() {
        let text = captured(as_text, "info", || tracing::warn!(lane = "mail", waiting = 3, "the server is down"));
        let (time, rest) = text.split_at("2026-11-21 09:00:00.123".len());
        assert!(jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S%.f", time).is_ok(), "{text}");
        assert!(
            rest.contains("WARN") && rest.contains("the server is down") && rest.contains("lane=\"mail\""),
            "{text}"
        );
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_line_for_machines_is_one_json_object() {
        let text = captured(as_json, "info", || tracing::info!(lane = "mail", depth = 3, "a\nb"));
        let value: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(value["message"], "a\nb");
        assert_eq!(value["lane"], "mail");
        assert_eq!(value["depth"], 3);
        assert_eq!(value["level"], "INFO");
        assert_eq!(text.lines().count(), 1);
    }

    #[test]
    fn a_value_cannot_forge_a_line_or_colour_the_terminal() {
        let forged = "x\n2026-11-21 09:00:00.000 ERROR akund: forged\r\u{1b}[31m\u{9b}31m";
        let text = captured(as_text, "info", || {
            tracing::info!(name = %forged, "one {forged}");
        });
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(!text.trim_end().contains(char::is_control), "{text:?}");
    }

    #[test]
    fn the_default_filter_silences_what_would_log_credentials() {
        let text = captured(as_text, DEFAULT_FILTER, || {
            tracing::error!(target: "lettre::transport", "AUTH PLAIN c2VjcmV0");
            tracing::warn!(target: "ldap3", "noise");
            tracing::debug!("detail");
            tracing::info!("seen");
        });
        assert!(
            text.contains("seen") && !text.contains("AUTH") && !text.contains("noise") && !text.contains("detail"),
            "{text}"
        );
    }

    #[test]
    fn the_variable_goes_over_the_configuration_and_it_over_the_default() {
        let config = |filter: Option<&str>| LogConfig { filter: filter.map(Into::into), format: LogFormat::Text };
        let chosen = |c: &LogConfig, v| chosen_filter(c, v).unwrap().to_string();
        assert_eq!(chosen(&config(Some("warn")), Some("debug")), "sqlx::postgres::notice=off,lapin=off,h2=off,debug");
        assert_eq!(chosen(&config(Some("warn")), None), "sqlx::postgres::notice=off,lapin=off,h2=off,warn");
        assert_eq!(
            chosen(&config(Some("warn")), Some("trace,h2=info")),
            "sqlx::postgres::notice=off,lapin=off,h2=info,trace"
        );
        let default = chosen(&config(None), None);
        assert!(default.contains("lettre=off") && default.contains("info"), "{default}");
        let error = chosen_filter(&config(None), Some("akund=loud")).unwrap_err();
        assert!(error.contains("AKUND_LOG") && error.contains("akund=loud"), "{error}");
    }

    #[test]
    fn the_journal_is_known_by_device_and_inode_of_the_stream() {
        assert!(is_stream("8:4711", 8, 4711));
        assert!(!is_stream("8:4711", 8, 4712));
        assert!(!is_stream("", 8, 4711));
    }

    /// Run in a child process by the next test: neither its environment nor its stderr can be changed safely within one.
    #[test]
    #[ignore = "the child of the_log_is_started_once_and_goes_where_stderr_is_connected"]
    fn child_starts_the_log() {
        println!("UNDER {}", under_journal());
        println!("FORMAT {:?}", init(&LogConfig { filter: None, format: LogFormat::Json }));
        println!("AGAIN {:?}", init(&LogConfig::default()));
        tracing::debug!("seen because of the variable");
    }

    #[test]
    fn the_log_is_started_once_and_goes_where_stderr_is_connected() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stderr");
        let run = |stream_of: &std::fs::Metadata, stderr: std::fs::File| {
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "observe::logs::tests::child_starts_the_log", "--ignored", "--nocapture"])
                .env("JOURNAL_STREAM", format!("{}:{}", stream_of.dev(), stream_of.ino()))
                .env(FILTER_VARIABLE, "debug")
                .stderr(stderr)
                .output()
                .unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let stderr = std::fs::File::create(&path).unwrap();
        let printed = run(&stderr.metadata().unwrap(), stderr.try_clone().unwrap());
        assert!(printed.contains("UNDER true") && printed.contains("FORMAT Ok(Json)"), "{printed}");
        assert!(printed.contains("AGAIN Err(\"the log was started twice\")"), "{printed}");
        assert!(std::fs::read_to_string(&path).unwrap().contains("\"message\":\"seen because of the variable\""));
        let printed = run(&dir.path().metadata().unwrap(), stderr);
        assert!(printed.contains("UNDER false"), "{printed}");
    }

    #[test]
    fn each_format_goes_where_it_says() {
        assert_eq!(sink(LogFormat::Auto, false).unwrap().1, LogFormat::Text);
        assert_eq!(sink(LogFormat::Text, true).unwrap().1, LogFormat::Text);
        assert_eq!(sink(LogFormat::Json, true).unwrap().1, LogFormat::Json);
        // With a journal or without one: asked for by name it is used or it is an error; else stderr stands in.
        let there = std::path::Path::new("/run/systemd/journal/socket").exists();
        assert_eq!(sink(LogFormat::Journald, true).is_ok(), there);
        let expected = if there { LogFormat::Journald } else { LogFormat::Text };
        assert_eq!(sink(LogFormat::Auto, true).unwrap().1, expected);
    }
}

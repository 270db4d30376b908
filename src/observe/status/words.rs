//! What the page says, in Indonesian and English; and how it writes times and durations.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use std::collections::BTreeMap;

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Tongue {
    /// Indonesian.
    Id,
    /// English.
    En,
}

impl Tongue {
    /// For `lang=`, the page's own links and `<html lang>`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::En => "en",
        }
    }

    /// By `lang=` of the query, else by Accept-Language (RFC 9110 §12.5.4), else Indonesian.
    pub fn choose(query: Option<&str>, accept: &str) -> Self {
        match query {
            Some("en") => Self::En,
            Some("id") => Self::Id,
            _ => Self::accepted(accept),
        }
    }

    fn accepted(accept: &str) -> Self {
        let mut best: Option<(f32, Self)> = None;
        for range in accept.split(',').take(32) {
            let (tag, weight) = range.split_once(';').unwrap_or((range, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.trim().parse::<f32>().ok()).unwrap_or(1.0);
            let tongue = match tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase().as_str() {
                "id" | "in" | "ms" | "jv" | "su" => Self::Id,
                "en" => Self::En,
                _ => continue,
            };
            if weight > 0.0 && best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, tongue));
            }
        }
        best.map_or(Self::Id, |(_, tongue)| tongue)
    }

    /// One of [`WORDS`]; the key itself where there is none, which a test excludes.
    pub fn word(self, key: &'static str) -> &'static str {
        let found = WORDS.iter().find(|(known, ..)| *known == key);
        found.map_or(key, |(_, id, en)| if self == Self::Id { id } else { en })
    }

    /// All of them, for the templates.
    pub fn words(self) -> BTreeMap<&'static str, &'static str> {
        WORDS.iter().map(|(key, id, en)| (*key, if self == Self::Id { *id } else { *en })).collect()
    }

    /// A word of the model (a state, verb, notice …) for people; as it is where the page knows none.
    pub fn model(self, word: &str) -> String {
        let found = MODEL.iter().find(|(known, ..)| *known == word);
        found.map_or_else(|| word.to_owned(), |(_, id, en)| (if self == Self::Id { *id } else { *en }).to_owned())
    }

    /// `3 dtk`, `4 mnt 10 dtk`, `2 jam 5 mnt`, `3 hari 4 jam`: two units at most. Below a second: `< 1 dtk`.
    pub fn span(self, microseconds: i64) -> String {
        let seconds = microseconds.max(0) / 1_000_000;
        let [day, hour, minute, second] = match self {
            Self::Id => ["hari", "jam", "mnt", "dtk"],
            Self::En => ["d", "h", "min", "s"],
        };
        let two = |first: i64, one: &str, rest: i64, other: &str| match rest {
            0 => format!("{first} {one}"),
            _ => format!("{first} {one} {rest} {other}"),
        };
        match seconds {
            0 => format!("< 1 {second}"),
            1..60 => format!("{seconds} {second}"),
            60..3600 => two(seconds / 60, minute, seconds % 60, second),
            3600..86_400 => two(seconds / 3600, hour, seconds % 3600 / 60, minute),
            _ => two(seconds / 86_400, day, seconds % 86_400 / 3600, hour),
        }
    }

    /// Working time, which has no days of 24 hours: `< 1 mnt`, `45 mnt`, `12 jam 30 mnt`.
    pub fn working(self, seconds: u64) -> String {
        let [hour, minute] = if self == Self::Id { ["jam", "mnt"] } else { ["h", "min"] };
        match (seconds / 3600, seconds % 3600 / 60) {
            (0, 0) if seconds > 0 => format!("< 1 {minute}"),
            (0, minutes) => format!("{minutes} {minute}"),
            (hours, 0) => format!("{} {hour}", self.number(hours)),
            (hours, minutes) => format!("{} {hour} {minutes} {minute}", self.number(hours)),
        }
    }

    /// From one moment to another.
    pub fn between(self, from: Timestamp, to: Timestamp) -> String {
        self.span(to.as_microsecond().saturating_sub(from.as_microsecond()))
    }

    /// `22 Nov 2026 14.05 WIB`.
    pub fn moment(self, at: Timestamp, zone: &TimeZone) -> String {
        let zoned = at.to_zoned(zone.clone());
        let month = self.month(zoned.month());
        let dot = if self == Self::Id { '.' } else { ':' };
        let abbreviation = zoned.strftime("%Z");
        format!("{} {month} {} {:02}{dot}{:02} {abbreviation}", zoned.day(), zoned.year(), zoned.hour(), zoned.minute())
    }

    /// `22 Nov`.
    pub fn day(self, day: jiff::civil::Date) -> String {
        format!("{} {}", day.day(), self.month(day.month()))
    }

    fn month(self, number: i8) -> &'static str {
        const ID: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "Mei", "Jun", "Jul", "Agu", "Sep", "Okt", "Nov", "Des"];
        const EN: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        let names = if self == Self::Id { ID } else { EN };
        usize::try_from(number - 1).ok().and_then(|place| names.get(place).copied()).unwrap_or("?")
    }

    /// With a separator between thousands.
    pub fn number(self, number: u64) -> String {
        let digits = number.to_string();
        let separator = if self == Self::Id { '.' } else { ',' };
        let mut text = String::new();
        for (place, digit) in digits.chars().enumerate() {
            if place > 0 && (digits.len() - place).is_multiple_of(3) {
                text.push(separator);
            }
            text.push(digit);
        }
        text
    }
}

/// Key, Indonesian, English: what the templates and the view say.
const WORDS: &[(&str, &str, &str)] = &[
    ("title", "Status layanan akun", "Account service status"),
    ("home", "Status", "Status"),
    ("other_language", "English", "Bahasa Indonesia"),
    ("as_of", "Keadaan pada", "As of"),
    ("refreshes", "Diperbarui sendiri setiap 30 detik.", "Refreshes itself every 30 seconds."),
    ("hold_still", "Hentikan pembaruan", "Stop refreshing"),
    ("refresh_again", "Perbarui sendiri", "Refresh by itself"),
    ("still", "Tidak diperbarui sendiri.", "Does not refresh itself."),
    ("skip", "Langsung ke isi", "Skip to content"),
    ("all_well", "Semua berjalan", "All is running"),
    ("unwell", "Layanan tidak sehat", "The service is unwell"),
    ("closed", "Permohonan baru tidak diterima", "New requests are not taken"),
    ("needs_person", "permohonan perlu ditangani petugas", "requests need a person"),
    ("needs_person_one", "permohonan perlu ditangani petugas", "request needs a person"),
    ("are_late", "permohonan melebihi waktu standar SOP", "requests are past the procedure's time"),
    ("are_late_one", "permohonan melebihi waktu standar SOP", "request is past the procedure's time"),
    ("lanes_down", "Tidak terjangkau", "Cannot be reached"),
    ("lanes_paused", "Dijeda", "Paused"),
    ("numbers", "Ringkasan", "Summary"),
    ("moving", "Berjalan", "Moving"),
    ("moving_about", "sedang dikerjakan akund", "akund works on them"),
    ("waiting", "Menunggu", "Waiting"),
    ("waiting_about", "surat, tanggal, atau kelengkapan", "for a letter, a date or what is missing"),
    ("stuck", "Macet", "Stuck"),
    ("stuck_about", "perlu keputusan petugas", "a person must decide"),
    ("over_time", "Lewat waktu", "Past their time"),
    ("over_time_about", "melebihi waktu standar SOP", "beyond the procedure's time"),
    ("paused", "Jalur dijeda", "Paused lanes"),
    ("paused_about", "atas perintah petugas", "by an operator's order"),
    ("done_30", "Selesai, 30 hari", "Done, 30 days"),
    ("median", "waktu tengah", "median time"),
    ("median_elapsed", "waktu tengah, termasuk malam dan libur:", "median time, nights and holidays included:"),
    ("lanes", "Jalur", "Lanes"),
    (
        "lanes_about",
        "Satu jalur untuk setiap server dan setiap saluran pemberitahuan.",
        "One lane for each server and each way in which notices leave.",
    ),
    ("outlets", "Tujuan dokumen hasil", "Where outcome documents go"),
    (
        "outlets_about",
        "Satu baris untuk setiap webhook dan antrean. Yang tidak terjangkau tidak menahan permohonan.",
        "One row for each webhook and queue. One that cannot be reached holds up no request.",
    ),
    ("outlet", "Tujuan", "Outlet"),
    ("away_for", "selama", "for"),
    ("oldest_waits", "tertua menunggu", "the oldest waits"),
    ("lane", "Jalur", "Lane"),
    ("state", "Keadaan", "State"),
    ("queue", "Antre", "Queued"),
    ("running", "Dikerjakan", "In work"),
    ("again", "Diulang", "To repeat"),
    ("stuck_steps", "Macet", "Stuck"),
    ("last_fault", "Gangguan terakhir", "Last fault"),
    ("no_fault", "tidak ada sejak mulai", "none since the start"),
    ("made_good", "sudah teratasi", "made good"),
    ("ago", "yang lalu", "ago"),
    ("lane_working", "bekerja", "working"),
    ("lane_idle", "siap", "ready"),
    ("lane_paused", "dijeda", "paused"),
    ("lane_down", "tidak terjangkau", "unreachable"),
    ("lane_stuck", "perlu petugas", "needs a person"),
    ("lane_again", "mencoba lagi", "tries again"),
    ("list_stuck", "Macet: petugas harus memutuskan", "Stuck: a person must decide"),
    ("list_held", "Ditahan: ada yang kurang atau perlu diperiksa", "Held: something is missing or must be looked at"),
    ("list_waiting", "Menunggu surat atau tanggal", "Waiting for a letter or a date"),
    ("list_working", "Berjalan", "Moving"),
    ("list_withdrawing", "Sedang dibatalkan", "Being withdrawn"),
    ("list_ended", "Baru berakhir", "Ended last"),
    ("none", "Tidak ada.", "None."),
    ("nothing_open", "Tidak ada permohonan yang terbuka.", "No request is open."),
    ("request", "Permohonan", "Request"),
    ("action", "Tindakan", "Action"),
    ("progress", "Kemajuan", "Progress"),
    ("since", "Sejak", "Since"),
    ("took", "Waktu", "Time"),
    ("steps_done", "langkah selesai", "steps done"),
    ("of", "dari", "of"),
    ("more", "lagi; lihat semuanya dengan", "more; see all with"),
    ("volume", "30 hari terakhir", "The last 30 days"),
    ("volume_about", "Permohonan yang berakhir setiap hari.", "Requests that ended, by day."),
    (
        "times_about",
        "Waktu tengah dari diterima sampai selesai, setiap hari, termasuk malam dan hari libur.",
        "Median time from received to done, by day, nights and holidays included.",
    ),
    ("done", "Selesai", "Done"),
    ("other", "Ditolak, dialihkan, dibatalkan", "Refused, redirected, withdrawn"),
    ("table_of_days", "Angka setiap hari", "The numbers of each day"),
    ("day", "Hari", "Day"),
    ("slow", "90% dalam", "90% within"),
    (
        "no_volume",
        "Belum ada permohonan yang berakhir dalam 30 hari terakhir.",
        "No request has ended in the last 30 days.",
    ),
    ("at_least", "sedikitnya", "at least"),
    ("source", "Sumber", "Source"),
    ("received", "Diterima", "Received"),
    ("ended", "Berakhir", "Ended"),
    ("verdict", "Putusan", "Verdict"),
    ("account", "Akun", "Account"),
    ("held_because", "Ditahan karena", "Held because"),
    ("what_to_do", "Yang dapat dilakukan", "What can be done"),
    ("timeline", "Waktu terhadap standar", "Time against the standard"),
    (
        "timeline_about",
        "Garis putus-putus: waktu yang diberikan prosedur tertulis. Batang: waktu yang dipakai. Yang dihitung hanya jam kerja.",
        "Dashed outline: the time that the written procedure allows. Bar: the time taken. Only working hours count.",
    ),
    ("allowed", "standar", "standard"),
    ("used", "dipakai", "taken"),
    ("so_far", "sejauh ini", "so far"),
    ("within", "sesuai standar", "within the standard"),
    ("late", "melebihi standar", "beyond the standard"),
    ("noted", "tercatat", "noted"),
    ("for_time", "sudah", "for"),
    ("within_time", "dalam", "in"),
    ("late_by", "lewat", "late by"),
    ("time_left", "sisa", "left:"),
    ("until", "sampai", "until"),
    ("deadline", "Batas waktu", "Deadline"),
    ("not_done", "tidak dikerjakan", "not done"),
    ("no_longer_due", "tidak berlaku lagi", "no longer due"),
    ("outside", "di luar akund", "outside akund"),
    ("not_begun", "belum dimulai", "not begun"),
    ("no_standard", "tanpa standar waktu", "no standard time"),
    ("no_number", "Tanpa nomor dalam prosedur", "Without a number in the procedure"),
    ("sop_step", "Langkah SOP", "SOP step"),
    ("steps", "Langkah", "Steps"),
    ("steps_about", "Setiap langkah yang dikerjakan akund, berurutan.", "Each step that akund carries out, in order."),
    ("step", "Langkah", "Step"),
    ("attempts", "Percobaan", "Attempts"),
    ("began", "Mulai", "Began"),
    ("proof", "Bukti", "Proof"),
    ("fault", "Gangguan", "Fault"),
    ("next_try", "diulang", "again at"),
    ("legend", "Keterangan", "Legend"),
    ("missing_title", "Tidak ditemukan", "Not found"),
    ("missing", "Halaman atau permohonan ini tidak ada.", "There is no such page or request."),
    ("unreadable_title", "Jurnal tidak terbaca", "The journal cannot be read"),
    ("unreadable", "Halaman ini akan mencoba lagi.", "This page will try again."),
    ("privacy", "Alamat dan nama disamarkan.", "Addresses and names are masked."),
];

/// Words of the model, for people.
const MODEL: &[(&str, &str, &str)] = &[
    ("create", "buat akun", "create"),
    ("change", "ubah", "change"),
    ("reset", "setel ulang sandi", "reset"),
    ("suspend", "tangguhkan", "suspend"),
    ("resume", "aktifkan lagi", "resume"),
    ("remove", "hapus", "remove"),
    ("adopt", "mengenali akun yang sudah ada", "identify the existing account"),
    ("mint", "membuat sandi", "make the password"),
    ("apply", "menulis akun", "write the account"),
    ("prove", "membuktikan akun", "prove the account"),
    ("deliver", "menyerahkan", "hand over"),
    ("undo", "mengurungkan", "undo"),
    ("draft", "menyusun surat", "write the letter"),
    ("sign", "menunggu tanda tangan", "wait for the signature"),
    ("letter-draft", "draf surat", "draft letter"),
    ("letter", "surat", "letter"),
    ("report", "laporan", "report"),
    ("username", "nama pengguna", "user name"),
    ("credentials", "sandi", "credentials"),
    ("refusal", "penolakan", "refusal"),
    ("form", "formulir", "form"),
    ("incomplete", "kurang lengkap", "incomplete"),
    ("review", "perlu diperiksa", "must be looked at"),
    ("redirect", "pengalihan", "redirect"),
    ("conflict", "bentrok", "conflict"),
    ("changed", "perubahan", "change made"),
    ("permit", "disetujui", "permitted"),
    ("refuse", "ditolak", "refused"),
    ("hold", "ditahan", "held"),
    ("blocked", "belum", "not yet"),
    ("ready", "antre", "queued"),
    ("retry", "akan diulang", "to be repeated"),
    ("running", "dikerjakan", "in work"),
    ("done", "selesai", "done"),
    ("stuck", "macet", "stuck"),
    ("cancelled", "batal", "cancelled"),
    ("refused", "ditolak", "refused"),
    ("redirected", "dialihkan", "redirected"),
    ("conflicted", "bentrok", "conflicted"),
    ("held", "ditahan", "held"),
    ("working", "berjalan", "moving"),
    ("waiting", "menunggu", "waiting"),
    ("withdrawing", "dibatalkan…", "being withdrawn"),
    ("withdrawn", "dibatalkan", "withdrawn"),
    ("login", "berhasil masuk", "logged in"),
    ("stored", "tersimpan dan cocok", "stored and verified"),
    ("observed", "terbaca kembali", "read back"),
    ("transient", "sementara", "transient"),
    ("permanent", "tetap", "permanent"),
    ("unknown", "tidak diketahui", "unknown"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_what_was_asked_for_and_else_what_the_browser_wants() {
        for (query, accept, wanted) in [
            (None, "", Tongue::Id),
            (None, "en-GB,en;q=0.9", Tongue::En),
            (None, "id-ID,id;q=0.9,en-US;q=0.8,en;q=0.7", Tongue::Id),
            (None, "de;q=0.9,en;q=0.2,ms;q=0.8", Tongue::Id),
            (None, "id;q=0,en;q=0.1", Tongue::En),
            (None, "de,fr;q=x", Tongue::Id),
            (Some("en"), "id", Tongue::En),
            (Some("id"), "en", Tongue::Id),
            (Some("<script>"), "en", Tongue::En),
        ] {
            assert_eq!(Tongue::choose(query, accept), wanted, "{query:?} {accept}");
        }
    }

    #[test]
    fn durations_have_two_units_at_most() {
        for (seconds, id, en) in [
            (0, "< 1 dtk", "< 1 s"),
            (59, "59 dtk", "59 s"),
            (60, "1 mnt", "1 min"),
            (61, "1 mnt 1 dtk", "1 min 1 s"),
            (7_500, "2 jam 5 mnt", "2 h 5 min"),
            (86_400 * 3 + 3_700, "3 hari 1 jam", "3 d 1 h"),
        ] {
            let span = seconds * 1_000_000;
            assert_eq!((Tongue::Id.span(span).as_str(), Tongue::En.span(span).as_str()), (id, en));
        }
        assert_eq!(Tongue::En.span(-5), "< 1 s");
    }

    #[test]
    fn numbers_and_moments_are_written_as_people_write_them() {
        assert_eq!(Tongue::Id.number(1_234_567), "1.234.567");
        assert_eq!(Tongue::En.number(999), "999");
        let at: Timestamp = "2026-05-04T01:02:03Z".parse().unwrap();
        let zone = TimeZone::get("Asia/Jakarta").unwrap();
        assert_eq!(Tongue::Id.moment(at, &zone), "4 Mei 2026 08.02 WIB");
        assert_eq!(Tongue::En.moment(at, &zone), "4 May 2026 08:02 WIB");
    }

    #[test]
    fn every_word_is_there_once_and_in_both_languages() {
        for table in [WORDS, MODEL] {
            let mut keys: Vec<&str> = table.iter().map(|(key, ..)| *key).collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(keys.len(), table.len());
            assert!(table.iter().all(|(_, id, en)| !id.is_empty() && !en.is_empty()));
        }
    }

    #[test]
    fn every_state_verb_and_notice_has_its_words() {
        use crate::journal::State;
        use crate::model::{NoticeKind, Verb};
        let states = State::ALL.iter().map(|state| state.as_str());
        let verbs = [Verb::Mint, Verb::Apply, Verb::Prove, Verb::Undo, Verb::Deliver, Verb::Draft, Verb::Sign];
        let notices = NoticeKind::ALL.iter().map(|kind| kind.as_str());
        let words = states.chain(verbs.map(Verb::as_str)).chain(notices);
        for word in words.chain(["login", "stored", "observed"]) {
            assert!(MODEL.iter().any(|(known, ..)| *known == word), "{word}");
        }
    }
}

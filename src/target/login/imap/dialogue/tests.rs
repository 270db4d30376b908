use super::*;
use proptest::prelude::*;
use tokio::io::{DuplexStream, duplex};

/// A server that says `greeting`, and then for each line that it is sent gives the next of `answers`.
fn server(greeting: &str, answers: &[&str]) -> (Dialogue<DuplexStream>, tokio::task::JoinHandle<Vec<String>>) {
    let (ours, theirs) = duplex(64 * 1024);
    let (greeting, answers) = (greeting.to_owned(), answers.iter().map(ToString::to_string).collect::<Vec<_>>());
    let task = tokio::spawn(async move {
        let mut stream = BufReader::new(theirs);
        stream.get_mut().write_all(greeting.as_bytes()).await.unwrap();
        let mut heard = Vec::new();
        for answer in answers {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            heard.push(line.trim_end().to_owned());
            stream.get_mut().write_all(answer.as_bytes()).await.unwrap();
        }
        heard
    });
    (Dialogue::new(ours), task)
}

fn secret() -> Secret {
    Secret::new("s3 \"cr\\et} {5}")
}

#[tokio::test]
async fn capabilities_are_taken_from_the_greeting_or_asked_for() {
    let (mut greeted, _task) = server("* OK [CAPABILITY IMAP4rev1 auth=plain] ready\r\n", &[]);
    greeted.greeting().await.unwrap();
    assert_eq!(greeted.capabilities().await.unwrap(), ["IMAP4REV1", "AUTH=PLAIN"]);
    let (mut asked, task) = server("* OK ready\r\n", &["* CAPABILITY IMAP4rev1 STARTTLS\r\na1 OK done\r\n"]);
    asked.greeting().await.unwrap();
    assert_eq!(asked.capabilities().await.unwrap(), ["IMAP4REV1", "STARTTLS"]);
    assert_eq!(task.await.unwrap(), ["a1 CAPABILITY"]);
}

#[tokio::test]
async fn authenticate_plain_sends_user_and_password_as_they_are() {
    let (mut dialogue, task) = server("", &["+ \r\n", "* CAPABILITY IMAP4rev1\r\na1 OK Logged in\r\n"]);
    assert_eq!(dialogue.authenticate_as("", "humas@example.org", &secret()).await.unwrap(), Ended::Ok);
    let heard = task.await.unwrap();
    assert_eq!(heard[0], "a1 AUTHENTICATE PLAIN");
    assert_eq!(STANDARD.decode(&heard[1]).unwrap(), b"\0humas@example.org\0s3 \"cr\\et} {5}");
}

#[tokio::test]
async fn login_sends_both_as_literals() {
    let (mut dialogue, task) = server("", &["+ go on\r\n", "+ go on\r\n", "a1 NO [AUTHENTICATIONFAILED] no\r\n"]);
    let ended = dialogue.login("humas@example.org", &secret()).await.unwrap();
    assert_eq!(ended, Ended::No("NO [AUTHENTICATIONFAILED] no".into()));
    assert_eq!(task.await.unwrap(), ["a1 LOGIN {17}", "humas@example.org {14}", "s3 \"cr\\et} {5}"]);
}

#[tokio::test]
async fn a_server_that_refuses_before_it_has_the_password_is_not_sent_it() {
    let (mut dialogue, task) = server("", &["a1 NO [PRIVACYREQUIRED] use TLS\r\n"]);
    let ended = dialogue.authenticate_as("", "humas@example.org", &secret()).await.unwrap();
    assert_eq!(ended, Ended::No("NO [PRIVACYREQUIRED] use TLS".into()));
    assert_eq!(task.await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_goodbye_is_told_with_its_words() {
    let (mut dialogue, _task) = server("* BYE too many connections\r\n", &[]);
    assert!(matches!(dialogue.greeting().await, Err(Broken::Bye(words)) if words == "BYE too many connections"));
    let (mut dialogue, task) = server("", &["+ \r\n", "* BYE shutting down\r\n"]);
    let told = dialogue.authenticate_as("", "humas", &secret()).await;
    assert!(matches!(told, Err(Broken::Bye(words)) if words == "BYE shutting down"));
    task.await.unwrap();
}

#[tokio::test]
async fn what_is_no_imap_or_has_no_end_is_nonsense() {
    let long = "* ".to_owned() + &"x".repeat(70_000);
    for greeting in ["220 mail.example.org ESMTP\r\n", "* PREAUTH you are in\r\n", "+ go on\r\n", "\r\n", &long] {
        let (mut dialogue, _task) = server(greeting, &[]);
        assert!(matches!(dialogue.greeting().await, Err(Broken::Nonsense)), "{greeting:.20}");
    }
    let endless = "* OK still here\r\n".repeat(MOST_LINES + 1);
    let (mut dialogue, _task) = server("", &[&endless]);
    assert!(matches!(dialogue.capabilities().await, Err(Broken::Nonsense)));
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_of_a_line_is_broken() {
    let (mut dialogue, task) = server("* OK rea", &[]);
    task.await.unwrap();
    assert!(matches!(dialogue.greeting().await, Err(Broken::Io(_))));
}

#[test]
fn response_codes_are_read() {
    for (words, code) in [
        ("NO [AUTHENTICATIONFAILED] Authentication failed.", Some("AUTHENTICATIONFAILED")),
        ("NO [unavailable] later", Some("UNAVAILABLE")),
        ("NO [INUSE x] later", Some("INUSE")),
        ("NO login failed", None),
    ] {
        assert_eq!(response_code(words).as_deref(), code);
    }
}

proptest! {
    #[test]
    fn any_answer_is_read_without_a_panic(answer in "(a1 (OK|NO|BAD)|\\*|\\+)?\\PC{0,60}(\r\n)?") {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let (mut dialogue, _task) = server("", &[&answer]);
            let _ = dialogue.capabilities().await;
        });
    }
}

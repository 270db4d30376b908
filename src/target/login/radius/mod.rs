//! The proof by an Access-Request (RFC 2865): PAP, and MS-CHAPv2 where the target stores what it needs.

pub mod exchange;
pub mod mschap;
pub mod packet;

use super::{Denial, Login, Standing};
use crate::config::proof::RadiusMethod;
use crate::model::said::{masked, tidy};
use crate::model::{Account, Answer, Fault, Finding, Secret};
use crate::target::radius::held::SUSPENDED;
use exchange::Peer;
use mschap::{Challenges, MICROSOFT};
use packet::{Attributes, Reply, Request, Signed, TooLong, attribute, code, hidden_password};

/// `Virtual`: no port of a NAS is behind the request (RFC 2865 §5.41).
const NAS_PORT_TYPE_VIRTUAL: [u8; 4] = 5_u32.to_be_bytes();

/// A RADIUS server that is asked as a NAS would ask it.
#[derive(Debug)]
pub struct Access {
    peer: Peer,
    methods: Vec<RadiusMethod>,
    nas_identifier: String,
    concurrency: usize,
}

impl Access {
    /// Every method is tried for each login, and all must succeed.
    pub fn new(peer: Peer, methods: Vec<RadiusMethod>, nas_identifier: String, concurrency: usize) -> Self {
        Self { peer, methods, nas_identifier, concurrency }
    }

    fn says(&self, rest: &str) -> String {
        format!("RADIUS server {} {rest}", self.peer.place())
    }

    fn unreachable(&self, why: impl std::fmt::Display) -> Denial {
        Denial::Unreachable(self.says(&why.to_string()))
    }

    /// Asks with a password that nobody has.
    async fn asked_for_nothing(&self, user: &str) -> Result<bool, Denial> {
        let unreachable = |fault: Fault| Denial::Unreachable(fault.message);
        let password = crate::secret::generate::password().map_err(unreachable)?;
        let random = Random::draw().map_err(unreachable)?;
        let request = self.request(RadiusMethod::Pap, user, &password, &random);
        let request = request.map_err(|long| self.unreachable(long))?;
        let reply = self.peer.ask(&request, Signed::Required).await.map_err(|why| self.unreachable(why))?;
        match reply.code {
            code::ACCESS_ACCEPT => {
                Err(Denial::Refused(self.says(&format!("lets {} in with any password", masked(user)))))
            }
            code::ACCESS_REJECT => Ok(reply.message().contains(SUSPENDED)),
            _ => Ok(false),
        }
    }

    async fn by(&self, method: RadiusMethod, user: &str, password: &Secret) -> Result<(), Denial> {
        let random = Random::draw().map_err(|fault| Denial::Unreachable(fault.message))?;
        let request = self.request(method, user, password, &random);
        let request = request
            .map_err(|long| Denial::Refused(self.says(&format!("was not asked about {}: {long}", masked(user)))))?;
        let reply = self.peer.ask(&request, Signed::Required).await.map_err(|why| self.unreachable(why))?;
        let refused = |why: String| Err(Denial::Refused(self.says(&why)));
        let who = masked(user);
        match reply.code {
            code::ACCESS_ACCEPT if method == RadiusMethod::Mschapv2 && !random.is_success(&reply, user, password) => {
                refused(format!(
                    "accepted {who} by MS-CHAPv2 without showing that it knows the password itself (MS-CHAP2-Success)"
                ))
            }
            code::ACCESS_ACCEPT => Ok(()),
            code::ACCESS_REJECT => {
                refused(format!("refused the login of {who} by {}{}", method.as_str(), words(&reply, user)))
            }
            code::ACCESS_CHALLENGE => refused(format!(
                "wants more than a password of {who} (Access-Challenge){}: the account is under a second factor, which akund \
                 cannot show",
                words(&reply, user)
            )),
            other => Err(self.unreachable(format!("gave an answer that does not fit (code {other})"))),
        }
    }

    fn request(
        &self,
        method: RadiusMethod,
        user: &str,
        password: &Secret,
        random: &Random,
    ) -> Result<Request, TooLong> {
        let secret = self.peer.secret();
        let attributes = Attributes::default()
            .add(attribute::USER_NAME, user.as_bytes(), "the user name")?
            .add(attribute::NAS_IDENTIFIER, self.nas_identifier.as_bytes(), "nas_identifier")?
            .add(attribute::NAS_PORT_TYPE, &NAS_PORT_TYPE_VIRTUAL, "NAS-Port-Type")?;
        let attributes = match method {
            RadiusMethod::Pap => {
                let hidden = hidden_password(password.expose().as_bytes(), &random.authenticator, secret)?;
                attributes.add(attribute::USER_PASSWORD, &hidden, "the password")?
            }
            RadiusMethod::Mschapv2 => {
                let response = mschap::response(&random.challenges, random.ident, user, password.expose());
                attributes
                    .add_vendors(MICROSOFT, mschap::CHALLENGE, &random.challenges.authenticator, "the challenge")?
                    .add_vendors(MICROSOFT, mschap::RESPONSE, &response, "the response")?
            }
        };
        Request::access(code::ACCESS_REQUEST, random.identifier, random.authenticator, &attributes, secret)
    }

    /// Status-Server (RFC 5997), and where that does not settle it a login that is sure to be refused.
    async fn look(&self) -> Finding {
        let random = Random::draw().map_err(|fault| fault.message)?;
        let status = Attributes::default()
            .add(attribute::NAS_IDENTIFIER, self.nas_identifier.as_bytes(), "nas_identifier")
            .and_then(|attributes| {
                let secret = self.peer.secret();
                Request::access(code::STATUS_SERVER, random.identifier, random.authenticator, &attributes, secret)
            })
            .map_err(|long| self.says(&format!("cannot be asked: {long}")))?;
        // What is answered otherwise, unsigned or not at all says little: not every server knows Status-Server, and some that
        // sign their answers to logins don't sign this one.
        if self.peer.ask(&status, Signed::Required).await.is_ok_and(|reply| reply.code == code::ACCESS_ACCEPT) {
            return Ok(self.says("answers Status-Server, signs its answers and shares the secret"));
        }
        let nobody = format!("akund-check-{}", uuid::Uuid::new_v4().simple());
        let password = crate::secret::generate::password().map_err(|fault| fault.message)?;
        match self.by(RadiusMethod::Pap, &nobody, &password).await {
            Err(Denial::Refused(_)) => {
                Ok(self.says("answers, signs its answers and shares the secret (it refused a user that cannot be)"))
            }
            Err(Denial::Unreachable(why)) => Err(why),
            Ok(()) => Err(self.says("accepts a user that cannot be with any password: what it accepts proves nothing")),
        }
    }
}

impl Login for Access {
    fn log_in<'a>(&'a self, user: &'a str, password: &'a Secret) -> Answer<'a, Result<(), Denial>> {
        Box::pin(async move {
            for method in &self.methods {
                self.by(*method, user, password).await?;
            }
            Ok(())
        })
    }
    fn standing<'a>(&'a self, user: &'a str) -> Answer<'a, Result<Standing, Denial>> {
        Box::pin(async move {
            let closed = self.asked_for_nothing(user).await?;
            Ok(if closed { Standing::Closed } else { Standing::Untold })
        })
    }
    fn user<'a>(&self, account: &'a Account) -> Option<&'a str> {
        Some(account.username.as_str())
    }
    fn concurrency(&self) -> usize {
        self.concurrency
    }
    fn check<'a>(&'a self) -> Answer<'a, Vec<Finding>> {
        Box::pin(async move { vec![self.look().await] })
    }
}

/// What is random in one request.
struct Random {
    identifier: u8,
    ident: u8,
    authenticator: [u8; 16],
    challenges: Challenges,
}

impl Random {
    fn draw() -> Result<Self, Fault> {
        let mut bytes = [[0; 16]; 4];
        for part in &mut bytes {
            crate::secret::fill_random(part)?;
        }
        let [authenticator, challenge, peer, [identifier, ident, ..]] = bytes;
        Ok(Self { identifier, ident, authenticator, challenges: Challenges { authenticator: challenge, peer } })
    }

    fn is_success(&self, reply: &Reply, user: &str, password: &Secret) -> bool {
        reply
            .vendors(MICROSOFT, mschap::SUCCESS)
            .is_some_and(|said| mschap::is_success(said, &self.challenges, self.ident, user, password.expose()))
    }
}

/// What the server said with its answer, as the end of a sentence.
fn words(reply: &Reply, user: &str) -> String {
    let error = reply.vendors(MICROSOFT, mschap::ERROR).and_then(|value| value.get(1..)).unwrap_or_default();
    let said = format!("{} {}", reply.message(), String::from_utf8_lossy(error));
    match tidy(&said, user) {
        nothing if nothing.is_empty() => String::new(),
        said => format!(": {said}"),
    }
}

//! The words that stand in labels.

/// An enum and its words.
macro_rules! words {
    ($($(#[$about:meta])* $name:ident { $($(#[$one:meta])* $variant:ident = $word:literal,)* })*) => {
        $(
            $(#[$about])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub enum $name {
                $($(#[$one])* $variant,)*
            }

            impl $name {
                /// The label's value.
                pub fn as_str(self) -> &'static str {
                    match self {
                        $(Self::$variant => $word,)*
                    }
                }
            }
        )*
    };
}

words! {
    /// How a step ended.
    StepResult {
        /// It was done.
        Done = "done",
        /// A person must move it.
        Stuck = "stuck",
        /// Its request was withdrawn first.
        Withdrawn = "withdrawn",
    }

    /// How a notice ended.
    NoticeResult {
        /// The next system took it.
        HandedOver = "handed-over",
        /// The next system refused it for good.
        Refused = "refused",
        /// A person must move it.
        Stuck = "stuck",
    }

    /// How an order ended.
    OrderResult {
        /// It was carried out.
        Done = "done",
        /// It could not be: the request is in another state, or not there.
        Refused = "refused",
    }

    /// What a lane's slot spends its time on.
    LanePart {
        /// At the target or channel.
        Work = "work",
        /// Recording what was done and claiming what is next.
        Journal = "journal",
    }

    /// What became of a file that was handed in.
    FileResult {
        /// Its good records were journaled.
        Accepted = "accepted",
        /// Nothing of it was taken.
        Rejected = "rejected",
        /// It cannot be read, and stays where it is.
        Unreadable = "unreadable",
    }

    /// What became of an attempt to publish an outcome document.
    PublicationResult {
        /// The other system has it.
        Confirmed = "confirmed",
        /// No queue is bound for it at the broker.
        Unroutable = "unroutable",
        /// It was not taken, or that is not known.
        Failed = "failed",
    }
}

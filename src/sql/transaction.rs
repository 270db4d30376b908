//! A batch in one transaction, in which a bad entry fails alone.

use super::{Kind, Session, Stop, Trouble};
use crate::model::{Fault, FaultClass};

/// What writes entries: one answer each, in order; or what the database said, after which nothing of them counts.
pub(super) type Writing<'f, W, R> = dyn Fn(&mut dyn Session, &[W]) -> Result<Vec<Result<R, Fault>>, Trouble> + 'f;

/// Writes a batch. What the database refuses for what one entry is, it is asked for again entry by entry, so that only the
/// bad one is left out; what may pass takes back the whole batch.
pub(super) fn write<W, R>(
    db: &mut dyn Session,
    batch: &[W],
    writing: &Writing<'_, W, R>,
    explain: &dyn Fn(Trouble) -> Fault,
) -> Result<Vec<Result<R, Fault>>, Stop> {
    match batch {
        [_] => db.run(db.engine().begin(), &[])?,
        _ => db.run(&format!("{}; SAVEPOINT batch", db.engine().begin()), &[])?,
    };
    let mut answers = match writing(db, batch) {
        Ok(answers) => answers,
        Err(trouble) if ends_the_batch(&trouble) => return Err(trouble.into()),
        Err(trouble) if batch.len() == 1 => {
            db.run("ROLLBACK", &[])?;
            return Ok(vec![Err(explain(trouble))]);
        }
        Err(_) => {
            db.run("ROLLBACK TO SAVEPOINT batch", &[])?;
            one_by_one(db, batch, writing, explain)?
        }
    };
    match db.commit() {
        Ok(()) => Ok(answers),
        Err(trouble) => {
            let _ = db.run("ROLLBACK", &[]);
            // What was refused was refused in any case.
            let fault = explain(trouble);
            answers.iter_mut().filter(|a| a.is_ok()).for_each(|a| *a = Err(fault.clone()));
            Ok(answers)
        }
    }
}

fn one_by_one<W, R>(
    db: &mut dyn Session,
    batch: &[W],
    writing: &Writing<'_, W, R>,
    explain: &dyn Fn(Trouble) -> Fault,
) -> Result<Vec<Result<R, Fault>>, Stop> {
    let mut answers = Vec::with_capacity(batch.len());
    for entry in batch.chunks(1) {
        db.run("SAVEPOINT entry", &[])?;
        match writing(db, entry) {
            Ok(written) => answers.extend(written),
            Err(trouble) if ends_the_batch(&trouble) => return Err(trouble.into()),
            Err(trouble) => {
                db.run("ROLLBACK TO SAVEPOINT entry", &[])?;
                answers.push(Err(explain(trouble)));
            }
        }
        db.run("RELEASE SAVEPOINT entry", &[])?;
    }
    Ok(answers)
}

fn ends_the_batch(trouble: &Trouble) -> bool {
    trouble.kind == Kind::Disconnected || matches!(trouble.class, FaultClass::Transient | FaultClass::Unknown)
}

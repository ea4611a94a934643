//! A copy is changed behind the move's back, and publications go while their table is written to.

use super::Moving;
use crate::kit::{until, Outcome, State};

/// One byte on the new owner is changed.
pub fn one_byte_changed(moving: &Moving) -> Outcome {
    let Moving {
        scenario,
        first,
        newest,
        row,
        bucket,
        ..
    } = moving;
    let old = moving.version()?;
    let rebind = moving.rebind("reversible_for => '1 hour'")?;
    rebind.until_done("settle")?;
    let long = first.session()?;
    long.run_each(&["BEGIN", "UPDATE moved SET n = n WHERE id = -1"])?;
    rebind.until_done("prepare_reverse")?;
    rebind.until_shows("freeze_outcome ~ 'long transaction'", "t")?;
    scenario.check(
        "no row is held up behind a long transaction",
        moving.quick_write(),
    );
    let copied = format!("SELECT count(*) FROM moved WHERE id = {row}");
    let target = newest.internal();
    if let Err(late) = until("the row has been copied", || target.says(&copied, "1")) {
        scenario.note(late);
    }
    target.ask(&format!(
        "UPDATE moved SET note = overlay(note PLACING 'y' FROM 7) WHERE id = {row}"
    ))?;
    long.run("COMMIT")?;
    long.close()?;
    rebind.until_state(State::Failed)?;
    scenario.check(
        "the difference has its own code",
        rebind.shows("error_sqlstate", "XP127"),
    );
    let waited = format!("SELECT cluster_wait({})", rebind.id);
    let said = first.ask(&waited).err().map(|error| error.to_string());
    let named = said.is_some_and(|said| names_bucket(&said, bucket));
    scenario.check("the bucket is named", named);
    scenario.equal("the switch was reversed", moving.version(), old);
    Ok(())
}

fn names_bucket(said: &str, bucket: &str) -> bool {
    said.lines().any(|line| {
        let table = line.find("public.moved");
        table.is_some_and(|at| line[at..].contains(&format!("buckets {bucket}.")))
    })
}

/// Publications of a table go while it is written to; many, because a write fails only if one goes while it looks at it.
pub fn publications_dropped(moving: &Moving) -> Outcome {
    let names: Vec<String> = (1..=60).map(|number| format!("came_{number}")).collect();
    let each = |statement: fn(&str) -> String| names.iter().map(move |name| statement(name));
    let statements: Vec<String> = each(|name| format!("CREATE PUBLICATION {name} FOR TABLE moved"))
        .chain(each(|name| {
            format!("SELECT expanse.empty_publication('{name}')")
        }))
        .chain(["SELECT pg_sleep(0.1)".to_owned()])
        .chain(each(|name| format!("DROP PUBLICATION {name}")))
        .collect();
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    for _ in 0..3 {
        moving.first.run(&statements)?;
    }
    Ok(())
}

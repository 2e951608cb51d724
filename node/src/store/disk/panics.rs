//! Turns a panic of sled into text.
//!
//! sled panics on some damaged files. The panic is caught where sled is called, and the default report with its
//! backtrace hint is kept off standard error, because the error that follows says what happened and where. Panics of
//! other threads, and of this one outside [`caught`], are reported as ever.

use std::{
    any::Any,
    cell::{Cell, RefCell},
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::Once,
};

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Most characters of a panic's text that are kept, of its first line. sled can put its whole tree into one.
const TEXT_CHARS: usize = 200;

/// Runs `work`, which calls sled; a panic in it becomes the text of the panic and its place in the source.
pub(super) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| report(info, &previous)));
    });
    let outer = CATCHING.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    CATCHING.set(outer);
    outcome.map_err(|payload| {
        let place = PLACE.take().map_or_else(String::new, |place| format!(" at {place}"));
        format!("{}{place}", text(payload.as_ref()))
    })
}

fn report(info: &PanicHookInfo<'_>, previous: &dyn Fn(&PanicHookInfo<'_>)) {
    // A thread that is ending has no locals left; its panic is nobody's to catch.
    if CATCHING.try_with(Cell::get).unwrap_or(false) {
        PLACE.set(info.location().map(ToString::to_string));
    } else {
        previous(info);
    }
}

fn text(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without text");
    text.lines().next().unwrap_or_default().chars().take(TEXT_CHARS).collect()
}

//! Snapshots of whole machines: saved, loaded, refused, converted, shown; and the goldens of every
//! machine version, which must load and finish for ever.

mod snapshots {
    mod continuation;
    mod conversion;
    mod failed_saves;
    mod goldens;
    mod locks;
    mod machines;
    mod refusals;
    mod verbs;
}

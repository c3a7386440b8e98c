//! Whole guests: firmware, the stock Debian kernel, the installer, the demo guest.
//!
//! The Linux guests come from `scripts/fetch-guests`; a guest that is not there is a failure.

mod system {
    mod anywhere;
    mod backwards;
    mod board;
    mod code;
    mod console;
    mod demo;
    mod digest;
    mod fetch;
    mod files;
    mod guests;
    mod linux;
    mod readme;
    mod reboot;
    mod recorded;
    mod slices;
}

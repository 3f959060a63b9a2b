//! The library from outside: keys in, screen and events out.

#![forbid(unsafe_code)]

mod cooked;
mod editor;
mod properties;
mod support;
